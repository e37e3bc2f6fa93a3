package inspect

import (
	"errors"
	"fmt"
	"regexp"
	"slices"

	"sstpwarden/inspect/sstp"
)

var ruleID = regexp.MustCompile(`^[a-z][a-z0-9_]*(\.[a-z0-9_]+)+$`)

// maxWeight bounds a weight: beyond a likelihood ratio of 10^10 no count of
// captures can carry it.
const maxWeight = 100

// maxStarts and maxWrites bound how many writes a step or a run may ask for:
// all ways to put records together to writes are tried.
const (
	maxStarts = 4
	maxWrites = 8
	// maxInside bounds DialogueMatch.Inside: a record's header, and as much as
	// any cipher adds.
	maxInside = 128
)

var (
	errEmpty    = errors.New("is missing")
	errNoHeader = errors.New("asks for the value of no header: give header too")
)

// compile checks one rule and gives it its matchers.
func compile(i int, r Rule, index map[string]int) (compiled, error) {
	fail := func(field string, err error) (compiled, error) {
		return compiled{}, &RuleError{Index: i, ID: r.ID, Field: field, Err: err}
	}
	switch {
	case r.ID == "":
		return fail("id", errEmpty)
	case !ruleID.MatchString(r.ID):
		return fail("id", fmt.Errorf("%q is no rule id: write lower-case words with a dot, such as tls.my_rule", r.ID))
	case r.About == "":
		return fail("about", errEmpty)
	case r.Source == "":
		return fail("source", fmt.Errorf("is missing: say where the fact comes from"))
	case r.Weight < -maxWeight || r.Weight > maxWeight:
		return fail("weight", fmt.Errorf("%d decibans: must be -%d to %d", r.Weight, maxWeight, maxWeight))
	case r.Coarse != nil && (*r.Coarse < -maxWeight || *r.Coarse > maxWeight):
		return fail("coarse", fmt.Errorf("%d decibans: must be -%d to %d", *r.Coarse, maxWeight, maxWeight))
	case r.Times < 0 || r.Times > 16:
		return fail("times", fmt.Errorf("%d: must be 1 to 16", r.Times))
	}
	c := compiled{Rule: r, times: max(1, r.Times)}
	var err error
	if c.after, err = references(r.Requires, index, r.ID); err != nil {
		return fail("requires", err)
	}
	if c.unless, err = references(r.Unless, index, r.ID); err != nil {
		return fail("unless", err)
	}
	if c.back, err = references(r.TakesBack, index, r.ID); err != nil {
		return fail("takes_back", err)
	}
	if field, err := c.compileMatch(); err != nil {
		return fail(field, err)
	}
	if c.Kind != KindNone && c.when&(onRecord|onIdle) != 0 {
		c.step = "evidence " + c.ID
	}
	if field, err := c.checkMeasured(); err != nil {
		return fail(field, err)
	}
	if c.asksOthers() && c.times > 1 {
		return fail("times", errors.New("what other connections say counts once"))
	}
	if c.Proof && !c.readsClear() {
		return fail("proof", errors.New("TLS traits prove nothing: only SSTP read in clear does"))
	}
	return c, nil
}

// checkMeasured holds the weights against what was counted. Those of a proof
// decide nothing.
func (c *compiled) checkMeasured() (field string, err error) {
	m := c.Measured
	if m == nil {
		return "", nil
	}
	reasoned := c.Reasoned != "" || c.Proof
	if err := m.check(c.Weight, reasoned); err != nil {
		return "measured", err
	}
	switch {
	case m.Coarse == nil:
		return "", nil
	case m.Coarse.Coarse != nil:
		return "measured.coarse", errors.New("coarse has no coarse of its own")
	}
	weight := c.Weight
	if c.Coarse != nil {
		weight = *c.Coarse
	}
	return "measured.coarse", m.Coarse.check(weight, reasoned)
}

// readsClear says that the rule asks for something that was read in clear, and
// for nothing else.
func (c *compiled) readsClear() bool {
	m := &c.Match
	inClear := m.Connect != nil || m.HTTP != nil || m.SSTP != nil || m.Stream != nil && m.Stream.Protocol == "sstp"
	return inClear && c.when&(onRecord|onIdle|onHello|onCertificate|onDestination) == 0
}

func references(ids []string, index map[string]int, self string) ([]int, error) {
	var out []int
	for _, id := range ids {
		j, ok := index[id]
		switch {
		case !ok:
			return nil, fmt.Errorf("there is no rule %q in the set", id)
		case id == self:
			return nil, errors.New("a rule cannot name itself")
		}
		out = append(out, j)
	}
	return out, nil
}

// compileMatch fills c.match and c.when; field says where an error is.
func (c *compiled) compileMatch() (field string, err error) {
	m := &c.Match
	add := func(when trigger, x matcher) {
		c.when |= when
		c.match = append(c.match, x)
	}
	if m.Stream != nil {
		when := onStream
		if !slices.Contains([]string{"", "tls", "http", "connect", "sstp", "other"}, m.Stream.Protocol) {
			return "match.stream.protocol", fmt.Errorf("%q: use tls, http, connect, sstp or other", m.Stream.Protocol)
		}
		if m.Stream.Exchanges != nil {
			when |= onHTTP
		}
		if m.Stream.counts() {
			when |= onCount
		}
		add(when, streamMatcher{*m.Stream})
	}
	if m.Connect != nil {
		if field := m.Connect.headless(); field != "" {
			return "match.connect." + field, errNoHeader
		}
		add(onConnect, headMatcher{*m.Connect, true})
	}
	if m.HTTP != nil {
		switch field := m.HTTP.headless(); {
		case field != "":
			return "match.http." + field, errNoHeader
		case m.HTTP.Tunnel:
			return "match.http.tunnel", errors.New("only a connect has a tunnel")
		}
		add(onHTTP, headMatcher{*m.HTTP, false})
	}
	if m.Hello != nil {
		add(onHello, helloMatcher{*m.Hello})
	}
	if m.Certificate != nil {
		add(onCertificate, certificateMatcher{*m.Certificate})
	}
	if m.Dialogue != nil {
		if field, err := checkSteps(m.Dialogue.Turns); err != nil {
			return field, err
		}
		for _, n := range m.Dialogue.Inside {
			if n < 1 || n > maxInside {
				return "match.dialogue.inside", fmt.Errorf("%d bytes: a record in another has 1 to %d more than it holds", n, maxInside)
			}
		}
		if m.Dialogue.Within < 0 || m.Dialogue.Within > maxWindow {
			return "match.dialogue.within", fmt.Errorf("%d: must be 0 to %d", m.Dialogue.Within, maxWindow)
		}
		last := m.Dialogue.Turns[len(m.Dialogue.Turns)-1]
		add(onRecordOf(last.From.direction()), &dialogueMatcher{*m.Dialogue, c.Weight < 0, m.Dialogue.Turns[0].From.direction(), c.after})
	}
	if m.Run != nil {
		switch {
		case !m.Run.From.valid() && m.Run.From != Either:
			return "match.run.from", fmt.Errorf("%q: use client, server or either", m.Run.From)
		case m.Run.From == Either && m.Run.OneSided:
			return "match.run.one_sided", errors.New("either has no other side")
		}
		if len(m.Run.Writes) == 0 {
			return "match.run.writes", errEmpty
		}
		if len(m.Run.Writes) > maxWrites {
			return "match.run.writes", fmt.Errorf("%d are too many: at most %d", len(m.Run.Writes), maxWrites)
		}
		add(onRecordOf(m.Run.From.direction()), runMatcher{*m.Run, c.after})
	}
	if m.Mirrored != nil {
		if m.Mirrored.Bytes == nil {
			return "match.mirrored.bytes", errEmpty
		}
		if m.Mirrored.AtLeast < 1 || m.Mirrored.Within < 2 || m.Mirrored.Within > maxWindow {
			return "match.mirrored", fmt.Errorf("at_least must be 1 or more, within 2 to %d", maxWindow)
		}
		add(onRecord, mirroredMatcher{*m.Mirrored, c.after})
	}
	if m.Idle != nil {
		if m.Idle.Bytes == nil || m.Idle.AtLeast < 1 {
			return "match.idle", errors.New("needs bytes, and at_least of 1 or more")
		}
		add(onIdle, idleMatcher{*m.Idle})
	}
	if m.SSTP != nil {
		if !slices.Contains([]string{"", "client", "server", "both"}, m.SSTP.Control) {
			return "match.sstp.control", fmt.Errorf("%q: use client, server or both", m.SSTP.Control)
		}
		if !slices.Contains([]string{"", BindingMatches, BindingDiffers}, m.SSTP.Binding) {
			return "match.sstp.binding", fmt.Errorf("%q: use %s or %s", m.SSTP.Binding, BindingMatches, BindingDiffers)
		}
		if m.SSTP.Message != "" && !knownMessage(m.SSTP.Message) {
			return "match.sstp.message", fmt.Errorf("%q is no control message: use call_connect_request and the like", m.SSTP.Message)
		}
		add(onSSTP, sstpMatcher{*m.SSTP})
	}
	if m.Destination != nil {
		if m.Destination.Flows == nil && m.Destination.Score == nil {
			return "match.destination", errors.New("needs flows or score")
		}
		add(onDestination, destinationMatcher{*m.Destination})
	}
	if len(c.match) == 0 {
		return "match", errors.New("is missing: a rule without a condition would always hold")
	}
	return "", nil
}

// headless gives the field that asks for something of a header where none is
// named.
func (m *HeadMatch) headless() (field string) {
	switch {
	case m.Header != nil:
		return ""
	case m.Value != nil:
		return "value"
	case m.ValueLength != nil:
		return "value_length"
	}
	return ""
}

func knownMessage(name string) bool {
	for t := sstp.MessageCallConnectRequest; t <= sstp.MessageEchoResponse; t++ {
		if t.String() == name {
			return true
		}
	}
	return false
}

func checkSteps(steps []Step) (field string, err error) {
	if len(steps) == 0 {
		return "match.dialogue.turns", errEmpty
	}
	for i, s := range steps {
		at := fmt.Sprintf("match.dialogue.turns[%d]", i)
		switch {
		case !s.From.valid():
			return at + ".from", fmt.Errorf("%q: use client or server", s.From)
		case s.Bytes == nil && len(s.Starts) == 0:
			return at, errors.New("needs bytes or starts")
		case len(s.Starts) > maxStarts:
			return at + ".starts", fmt.Errorf("%d are too many: at most %d", len(s.Starts), maxStarts)
		case i > 0 && steps[i-1].From == s.From:
			return at + ".from", errors.New("a dialogue alternates: one side's turn ends where the other speaks")
		}
	}
	return "", nil
}

func (s Side) valid() bool { return s == Client || s == Server }
