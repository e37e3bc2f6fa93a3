package report

import (
	"bufio"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"sync"
	"time"

	"sstpwarden/inspect"
	"sstpwarden/policies/event"
)

// Bounds of a page. Beyond them the strongest cases stay, the rest is counted,
// and the page says so and where the rest is to be had. A page of ordinary
// connections that reaches them has some 7 MB, and needs some 12 MB of memory
// until it is written, however many connections there were.
const (
	// MaxListed is how many connections the table has a line for.
	MaxListed = 2000
	// MaxDetailed is how many connections are laid out in full.
	MaxDetailed = 300
	// MaxServers and MaxClients bound the tables by server and by client.
	MaxServers = event.MaxDestinations
	MaxClients = 256
	// maxErrors bounds the errors that are shown.
	maxErrors = 200
)

// HTMLOptions say what the page tells beside the events. All of it may be
// left out.
type HTMLOptions struct {
	// Program is the name and version of what audits, "sstpwarden 1.4.0".
	Program string
	// Generated is when the audit was made.
	Generated time.Time
	// Inputs are the captures and folders as they were given.
	Inputs []string
	// Settings are those of the rules: the prior odds at which the evidence
	// begins, and the score it needs.
	Settings inspect.Settings
	// RulesRevision is that of the rules. The policy's is taken from the
	// decisions.
	RulesRevision string
	// All says that undetermined and cleared connections are reported too.
	All bool
}

// HTML writes one page about an audit, when it ends. Until then it holds what
// the page will show, within the bounds above.
type HTML struct {
	w    io.Writer
	o    HTMLOptions
	seq  int
	rows best[row]
	full best[*event.Event]

	tally   tally
	clients clients
	spans   spans
}

// NewHTML makes an HTML that writes to w.
func NewHTML(w io.Writer, o HTMLOptions) *HTML {
	return &HTML{
		w: w, o: o,
		rows:    best[row]{max: MaxListed},
		full:    best[*event.Event]{max: MaxDetailed},
		clients: newClients(),
		spans:   newSpans(),
	}
}

// Event takes an event. It may be kept until the page is written, and must not
// be changed. The error is always nil: it is there for what writes at once.
func (h *HTML) Event(e *event.Event) error {
	r := rankOf(e, h.seq)
	h.seq++
	h.tally.add(e)
	h.rows.add(r, func() row { return newRow(e) })
	h.full.add(r, func() *event.Event { return e })
	if tells(e) {
		h.clients.add(e)
		h.spans.add(e, r.seq)
	}
	return nil
}

// tells says that an event speaks of SSTP, and not only of a connection that
// was looked at.
func tells(e *event.Event) bool {
	return found(e) || e.Detection.Kind != inspect.KindNone
}

// found says that a connection counts as SSTP.
func found(e *event.Event) bool {
	return e.Detection.Verdict.Strength() >= inspect.VerdictSuspected.Strength()
}

// End writes the page. It is the last call.
func (h *HTML) End(s *event.Summary) error {
	w := bufio.NewWriterSize(h.w, 1<<16)
	err := pageTemplate().Execute(w, h.view(s))
	if err == nil {
		err = w.Flush()
	}
	if err != nil {
		return fmt.Errorf("writing HTML: %w", err)
	}
	return nil
}

var (
	//go:embed report.html.tmpl
	pageText string
	//go:embed style.css
	style string
	//go:embed sort.js
	script string

	// pageTemplate is parsed when one is written: most audits write none.
	pageTemplate = sync.OnceValue(func() *template.Template {
		return template.Must(template.New("page").Funcs(template.FuncMap{
			"pieces": pieces,
			"inert":  inert,
		}).Parse(pageText))
	})
)

// contentSecurityPolicy allows the page its own style and script, and nothing
// else: no network, no plug-in, no handler in an attribute.
func contentSecurityPolicy() string {
	return "default-src 'none'; style-src " + hashOf(style) + "; script-src " + hashOf(script) +
		"; base-uri 'none'; form-action 'none'"
}

// hashOf is how a policy names an inline style or script by what it holds.
func hashOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}
