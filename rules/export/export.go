package export

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"sstpwarden/inspect"
)

// Options say what the head of an export tells.
type Options struct {
	// Rules is where the set comes from: a file's name, or what the set that is
	// built in is called.
	Rules string
	// Tool and its version.
	Tool string
}

// An engine is one that rules are exported to.
type engine struct {
	name  string
	title string
	// comment begins a comment's line.
	comment string
	// load says how an export is put to use, a line each.
	load []string
	// write makes the text between head and what is left out.
	write func(*document)
}

// engines in the order that they are told in.
func engines() []engine {
	return []engine{suricata(), snort(), squid(), zeek(), nftables(), haproxy()}
}

// Engines names the engines that there are exports for.
func Engines() []string {
	var names []string
	for _, e := range engines() {
		names = append(names, e.name)
	}
	return names
}

// An EngineError says that there is no export for an engine.
type EngineError struct{ Name string }

func (e *EngineError) Error() string {
	names := Engines()
	return fmt.Sprintf("there is no export for %q: use %s or %s", e.Name, strings.Join(names[:len(names)-1], ", "), names[len(names)-1])
}

// Export writes the rules of a set for an engine. The only error is
// *EngineError.
func Export(engineName string, rs *inspect.Ruleset, o Options) ([]byte, error) {
	all := engines()
	i := slices.IndexFunc(all, func(e engine) bool { return e.name == engineName })
	if i < 0 {
		return nil, &EngineError{engineName}
	}
	d := &document{engine: all[i], set: rs, rules: rs.Rules(), exported: map[string]bool{}}
	d.engine.write(d)
	var out bytes.Buffer
	d.head(&out, o)
	out.Write(d.body.Bytes())
	d.tail(&out)
	return out.Bytes(), nil
}

// A document is an export that is being written.
type document struct {
	engine engine
	set    *inspect.Ruleset
	rules  []inspect.Rule
	body   bytes.Buffer
	// exported are the ids that came out, missing the others with the reasons.
	exported map[string]bool
	missing  []missing
	blocks   int
}

type missing struct{ id, reason string }

func (d *document) linef(format string, args ...any) {
	fmt.Fprintf(&d.body, format+"\n", args...)
}

func (d *document) commentf(format string, args ...any) {
	d.linef("%s %s", d.engine.comment, printable(fmt.Sprintf(format, args...)))
}

// leaveOut notes why a rule is not there.
func (d *document) leaveOut(id, reason string) {
	d.missing = append(d.missing, missing{id, reason})
}

// begin tells of a rule that is there; how is what the engine does when it
// holds.
func (d *document) begin(r *inspect.Rule, how string, limits limits) {
	d.exported[r.ID] = true
	d.linef("")
	d.commentf("%s (%s; %s): %s", r.ID, strength(r), how, r.About)
	for _, l := range limits.lines() {
		d.commentf("  %s", l)
	}
}

// blocking says that a rule may stand alone in an engine that says limits of
// it.
func (d *document) blocking(r *inspect.Rule, l limits) bool {
	b := len(l.wider) == 0 && (r.Proof || r.Weight >= d.set.Settings().Suspected)
	if b {
		d.blocks++
	}
	return b
}

func strength(r *inspect.Rule) string {
	if r.Proof {
		return "proof"
	}
	return fmt.Sprintf("weight %+d", r.Weight)
}

func (d *document) head(out *bytes.Buffer, o Options) {
	line := func(format string, args ...any) {
		text := fmt.Sprintf(format, args...)
		if text == "" {
			fmt.Fprintln(out, d.engine.comment)
			return
		}
		fmt.Fprintf(out, "%s %s\n", d.engine.comment, printable(text))
	}
	line("SSTP (Microsoft's VPN inside HTTPS): detection rules for %s.", d.engine.title)
	line("Made by %s from %s, revision %s.", o.Tool, o.Rules, d.set.Revision())
	blocks := ""
	if d.blocks > 0 {
		blocks = fmt.Sprintf(", %d of them blocking", d.blocks)
	}
	line("%d of %d rules are here%s; the end says why the others are not.", len(d.exported), len(d.rules), blocks)
	line("")
	for _, l := range d.engine.load {
		line("%s", l)
	}
}

func (d *document) tail(out *bytes.Buffer) {
	if len(d.missing) == 0 {
		return
	}
	fmt.Fprintf(out, "\n%s Not here:\n", d.engine.comment)
	for _, m := range d.missing {
		fmt.Fprintf(out, "%s %s: %s\n", d.engine.comment, m.id, printable(m.reason))
	}
}

// limits are the ways in which an export of a rule is not the rule.
type limits struct {
	wider    []string // it holds where the rule would not
	narrower []string // it misses what the rule would see
}

func (l *limits) add(m limits) {
	l.wider = append(l.wider, m.wider...)
	l.narrower = append(l.narrower, m.narrower...)
}

func (l *limits) lines() []string {
	var out []string
	for _, w := range l.wider {
		if line := "wider: " + w; !slices.Contains(out, line) {
			out = append(out, line)
		}
	}
	for _, n := range l.narrower {
		if line := "narrower: " + n; !slices.Contains(out, line) {
			out = append(out, line)
		}
	}
	return out
}

// printable puts text on one line of a comment: what comes from a rules file
// must not end the comment.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n', r == '\r', r == '\t':
			return ' '
		case r < ' ', r == 0x7f, r >= 0x80 && r < 0xa0, r == '\u2028', r == '\u2029', r == '\ufffd':
			return '?'
		}
		return r
	}, s)
}
