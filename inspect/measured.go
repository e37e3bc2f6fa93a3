package inspect

import (
	"fmt"
	"strconv"
	"strings"
)

// Measured says how often a rule held where it was asked, on connections that
// are known to be SSTP and on others, and what that allows the weight to be.
type Measured struct {
	// Positives are SSTP connections, Negatives others. What is counted are
	// votes: connections that are alike have one together.
	Positives Votes `yaml:"positives"`
	Negatives Votes `yaml:"negatives"`
	// Low and High bound the likelihood ratio, in decibans, as far as the counts
	// do.
	Low  int `yaml:"low"`
	High int `yaml:"high"`
	// Coarse is the same where lengths are known only to a cipher block; nil
	// where the rule does not depend on lengths or there was nothing to count.
	Coarse *Measured `yaml:"coarse,omitempty"`
}

// Votes are those among Of for which a rule held. A vote of several connections
// counts as far as they agree. Written "17.5/18".
type Votes struct {
	Held float64
	Of   int
}

// String gives the written form, with two decimals at most.
func (v Votes) String() string {
	return strings.TrimSuffix(strings.TrimRight(strconv.FormatFloat(v.Held, 'f', 2, 64), "0"), ".") + "/" + strconv.Itoa(v.Of)
}

// MarshalText gives the written form.
func (v Votes) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// UnmarshalText reads the written form.
func (v *Votes) UnmarshalText(text []byte) error {
	held, of, ok := strings.Cut(string(text), "/")
	k, err := strconv.ParseFloat(held, 64)
	n, err2 := strconv.ParseUint(of, 10, 31)
	if !ok || err != nil || err2 != nil || !(k >= 0 && k <= float64(n)) {
		return fmt.Errorf("%q is no count: write how many held of how many, such as 17/18 or 17.5/18", text)
	}
	*v = Votes{Held: k, Of: int(n)}
	return nil
}

// check says what is wrong with it, for a rule's weight. A weight that says less
// than was measured is good: rules overlap, and their weights add up.
func (m *Measured) check(weight int, reasoned bool) error {
	switch {
	case m.Low > m.High:
		return fmt.Errorf("low %d is above high %d", m.Low, m.High)
	case m.Low < -maxWeight || m.High > maxWeight:
		return fmt.Errorf("low and high must be -%d to %d", maxWeight, maxWeight)
	case !reasoned && m.Exceeded(weight):
		return fmt.Errorf("the weight %d says more than was measured, %d to %d: lower it, or say under reasoned why it stands", weight, m.Low, m.High)
	}
	return nil
}

// Exceeded says that a weight claims more than the counts allow, for SSTP or
// against it.
func (m *Measured) Exceeded(weight int) bool {
	return weight > 0 && weight > m.High || weight < 0 && weight < m.Low
}
