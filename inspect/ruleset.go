package inspect

import (
	"cmp"
	"fmt"
	"math"
	"time"
)

// trigger is a set of moments at which a rule is worth asking again.
type trigger uint16

const (
	onStream trigger = 1 << iota // the protocol
	onCount                      // records of application data, of whatever length
	onConnect
	onHTTP
	onHello
	onCertificate
	onClientRecord // application data, its size known
	onServerRecord
	onIdle
	onSSTP
	onDestination // the memory may know of others
	triggers      = iota
)

const onRecord = onClientRecord | onServerRecord

// onRecordOf is the trigger of a record that one side sends, or any where d is
// 0.
func onRecordOf(d Direction) trigger {
	switch d {
	case ClientToServer:
		return onClientRecord
	case ServerToClient:
		return onServerRecord
	}
	return onRecord
}

// Settings are the numbers that turn evidence into a verdict.
type Settings struct {
	// Prior is the odds of SSTP before any evidence, in decibans.
	Prior int `yaml:"prior"`
	// Suspected is the least score at which a drop is justified.
	Suspected int `yaml:"suspected"`
	// Cleared is the greatest score at which a connection is cleared.
	Cleared int `yaml:"cleared"`
	// Window is how many records of application data are looked at before a
	// connection is left alone.
	Window int `yaml:"window"`
	// LetGo is how many bytes of application data a cleared connection carries
	// before it is settled, where its window is not full before: what stands in
	// front of a tunnel is the client's to choose. 0 settles it at once.
	LetGo int `yaml:"let_go,omitempty"`
	// Memory of connections that are not enough for a case alone.
	Memory MemorySettings `yaml:"memory,omitempty"`
}

// MemorySettings say what a [Memory] keeps.
type MemorySettings struct {
	// HalfLife is the age at which half of a connection's score is left; 0
	// stands for 6 hours.
	HalfLife time.Duration `yaml:"half_life,omitempty"`
	// Least is the own score from which a connection is kept, and asks for
	// others; 0 stands for 25, or for Suspected where that is lower.
	Least int `yaml:"least,omitempty"`
}

const (
	defaultHalfLife = 6 * time.Hour
	defaultLeast    = 25
	maxHalfLife     = 365 * 24 * time.Hour
	// maxLetGo bounds Settings.LetGo: what is looked at for long is slow.
	maxLetGo = 16 << 20
)

// remember gives the settings of a memory, those that were left out filled in.
func (s *Settings) remember() MemorySettings {
	return MemorySettings{
		HalfLife: cmp.Or(s.Memory.HalfLife, defaultHalfLife),
		Least:    cmp.Or(s.Memory.Least, min(defaultLeast, s.Suspected)),
	}
}

// A Ruleset is a checked set of rules. It is read-only and may be shared.
type Ruleset struct {
	settings  Settings
	rules     []compiled
	byTrigger [triggers]ruleMask
	free      ruleMask // rules that require no other
	memory    MemorySettings
	remembers bool // a rule asks about other flows
	revision  string
}

type compiled struct {
	Rule
	when    trigger
	match   []matcher
	after   []int    // the rules of which it requires one
	unless  []int    // the rules after which it is not asked
	back    []int    // the rules that it takes back
	opens   ruleMask // rules that require this one
	unlocks trigger  // when those are to be asked
	shuts   ruleMask // rules that are not asked after this one
	times   int
	step    string // what the timeline calls it; "" where it is no step of a set-up
}

// asksOthers says that the rule asks about other flows.
func (c *compiled) asksOthers() bool { return c.when&onDestination != 0 }

// maxRules bounds a set, so that what holds fits a few words per connection.
const maxRules = 64 * ruleWords

const ruleWords = 4

// A ruleMask is a set of rules, by their places in the Ruleset.
type ruleMask [ruleWords]uint64

func (m *ruleMask) add(i int)      { m[i/64] |= 1 << (i % 64) }
func (m *ruleMask) has(i int) bool { return m[i/64]&(1<<(i%64)) != 0 }

func (m *ruleMask) addAll(n *ruleMask) {
	for w := range m {
		m[w] |= n[w]
	}
}

// A RuleError says which rule of a set is wrong.
type RuleError struct {
	Index int    // position in the set, from 0; -1 where it is the set itself
	ID    string // "" where it has none
	Field string // as written in YAML: "match.dialogue.turns[2].bytes"
	Err   error
	// Others are the positions of other rules that are as wrong with it.
	Others []int
}

func (e *RuleError) Error() string {
	switch {
	case e.Index < 0:
		return e.Field + ": " + e.Err.Error()
	case e.ID == "":
		return fmt.Sprintf("rule %d: %s: %v", e.Index+1, e.Field, e.Err)
	}
	return fmt.Sprintf("rule %s: %s: %v", e.ID, e.Field, e.Err)
}

func (e *RuleError) Unwrap() error { return e.Err }

// NewRuleset checks rules and makes them ready. Revision names the set in
// decisions. Errors are *RuleError.
func NewRuleset(s Settings, rules []Rule, revision string) (*Ruleset, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	if len(rules) > maxRules {
		return nil, &RuleError{Index: -1, Field: "rules", Err: fmt.Errorf("%d rules are too many: at most %d", len(rules), maxRules)}
	}
	rs := &Ruleset{settings: s, memory: s.remember(), revision: revision}
	index := make(map[string]int, len(rules))
	for i, r := range rules {
		if j, twice := index[r.ID]; twice {
			return nil, &RuleError{Index: i, ID: r.ID, Field: "id", Err: fmt.Errorf("rule %d has the same id: ids must differ", j+1)}
		}
		index[r.ID] = i
	}
	for i, r := range rules {
		c, err := compile(i, r, index)
		if err != nil {
			return nil, err
		}
		rs.rules = append(rs.rules, c)
		rs.remembers = rs.remembers || c.asksOthers()
		for t := range triggers {
			if c.when&(1<<t) != 0 {
				rs.byTrigger[t].add(i)
			}
		}
	}
	if err := rs.checkMemory(); err != nil {
		return nil, err
	}
	if err := rs.checkOrder(); err != nil {
		return nil, err
	}
	for i, c := range rs.rules {
		if len(c.after) == 0 {
			rs.free.add(i)
		}
		for _, j := range c.after {
			rs.rules[j].opens.add(i)
			rs.rules[j].unlocks |= c.when
		}
		for _, j := range c.unless {
			rs.rules[j].shuts.add(i)
		}
	}
	return rs, nil
}

// checkMemory sees to it that what flows know of each other does not come back
// as something that they know of themselves.
func (rs *Ruleset) checkMemory() error {
	const message = "%s asks about other connections: only a rule that does so too can name it"
	for i, c := range rs.rules {
		if c.asksOthers() {
			continue
		}
		for _, j := range c.after {
			if rs.rules[j].asksOthers() {
				return &RuleError{Index: i, ID: c.ID, Field: "requires", Err: fmt.Errorf(message, rs.rules[j].ID)}
			}
		}
		for _, j := range c.unless {
			if rs.rules[j].asksOthers() {
				return &RuleError{Index: i, ID: c.ID, Field: "unless", Err: fmt.Errorf(message, rs.rules[j].ID)}
			}
		}
		for _, j := range c.back {
			if rs.rules[j].asksOthers() {
				return &RuleError{Index: i, ID: c.ID, Field: "takes_back", Err: fmt.Errorf(message, rs.rules[j].ID)}
			}
		}
	}
	return nil
}

func (s Settings) check() error {
	switch m := s.Memory; {
	case m.HalfLife != 0 && (m.HalfLife < time.Minute || m.HalfLife > maxHalfLife):
		return &RuleError{Index: -1, Field: "memory.half_life", Err: fmt.Errorf("%v: must be a minute to a year, such as 6h", m.HalfLife)}
	case m.Least != 0 && (m.Least < 1 || m.Least > s.Suspected) && s.Suspected > 0:
		return &RuleError{Index: -1, Field: "memory.least", Err: fmt.Errorf("%d decibans: must be 1 to %d, where suspicion begins", m.Least, s.Suspected)}
	}
	switch {
	case s.Suspected <= 0:
		return &RuleError{Index: -1, Field: "suspected", Err: fmt.Errorf("%d must be above 0", s.Suspected)}
	case s.Cleared >= 0:
		return &RuleError{Index: -1, Field: "cleared", Err: fmt.Errorf("%d must be below 0", s.Cleared)}
	case s.Prior > 0:
		return &RuleError{Index: -1, Field: "prior", Err: fmt.Errorf("%d must not be above 0: SSTP is rare", s.Prior)}
	case s.LetGo < 0 || s.LetGo > maxLetGo:
		return &RuleError{Index: -1, Field: "let_go", Err: fmt.Errorf("%d bytes: must be 0 to %d", s.LetGo, maxLetGo)}
	case s.Window < 8 || s.Window > maxWindow:
		return &RuleError{Index: -1, Field: "window", Err: fmt.Errorf("%d records: must be 8 to %d", s.Window, maxWindow)}
	}
	return nil
}

// Settings of the set.
func (rs *Ruleset) Settings() Settings { return rs.settings }

// Memory gives what a [Memory] keeps by the set, with what the settings leave
// out filled in. Asked is false where no rule asks about other connections:
// nothing is kept then.
func (rs *Ruleset) Memory() (s MemorySettings, asked bool) { return rs.memory, rs.remembers }

// Revision names the set.
func (rs *Ruleset) Revision() string { return rs.revision }

// Rules gives the rules in order. The slice is the caller's.
func (rs *Ruleset) Rules() []Rule {
	out := make([]Rule, len(rs.rules))
	for i, c := range rs.rules {
		out[i] = c.Rule
	}
	return out
}

// probability of SSTP at a score.
func (s Settings) probability(score int) float64 {
	return 1 / (1 + math.Pow(10, -float64(score+s.Prior)/10))
}
