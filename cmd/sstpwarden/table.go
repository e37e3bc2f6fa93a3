package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"sstpwarden/inspect"
	"sstpwarden/pcaps/report"
	"sstpwarden/policies"
	"sstpwarden/policies/event"
)

// tableReport is for people: the worst first, the reason below each.
type tableReport struct {
	w      io.Writer
	colour bool
	header []string
	rows   []row
}

// row keeps what the table shows of an event.
type row struct {
	strength, score int
	start           time.Time
	source          string
	cells           []string
	details         []string
}

var header = []string{"VERDICT", "KIND", "POLICY", "CLIENT", "SERVER", "NAME", "PROGRAMS", "USER", "BEGAN (UTC)", "LASTED", "BYTES", "SCORE"}

func (r *tableReport) Event(e *event.Event) error {
	r.rows = append(r.rows, row{
		strength: e.Detection.Verdict.Strength(),
		score:    e.Detection.Score,
		start:    e.Timestamp.Time,
		source:   e.Source,
		cells:    cells(e),
		details:  details(e),
	})
	return nil
}

func cells(e *event.Event) []string {
	name := ""
	if e.Server != nil {
		name = e.Server.Name
		if e.Connect != nil {
			name = e.Connect.Target
		}
	}
	user := e.User
	if e.PPP != nil && e.PPP.User != "" {
		user = e.PPP.User
	}
	out := []string{
		e.Detection.Verdict.String(),
		e.Detection.Kind.String(),
		policy(e),
		fmt.Sprintf("%s:%d", bracket(e.SrcIP.String()), e.SrcPort),
		fmt.Sprintf("%s:%d", bracket(e.DestIP.String()), e.DestPort),
		name,
		programs(e.Detection.Client, e.Detection.Server),
		user,
		e.Timestamp.UTC().Format(time.DateTime),
		report.Lasted(e.Duration),
		report.Size(e.BytesToServer + e.BytesToClient),
		fmt.Sprint(e.Detection.Score),
	}
	for i := range out {
		if out[i] = shorten(event.Printable(out[i]), 48); out[i] == "" {
			out[i] = "-"
		}
	}
	return out
}

// policy words a decision; in an audit nothing is done.
func policy(e *event.Event) string {
	d := e.Decision
	switch {
	case d == nil:
		return ""
	case changes(e):
		return d.Action + " -> " + e.OtherDecision.Action
	case d.Action == string(policies.ActionDrop) && !d.Enforced:
		return "would drop"
	}
	return d.Action
}

func programs(client, server string) string {
	if client == "" && server == "" {
		return ""
	}
	return cmp.Or(client, "?") + " > " + cmp.Or(server, "?")
}

func bracket(ip string) string {
	if strings.Contains(ip, ":") {
		return "[" + ip + "]"
	}
	return ip
}

// maxReasons is how much evidence the table gives for each connection.
const maxReasons = 3

func details(e *event.Event) []string {
	evidence := slices.Clone(e.Detection.Evidence)
	slices.SortStableFunc(evidence, func(a, b inspect.Evidence) int {
		return cmp.Or(-compareBool(a.Proof, b.Proof), -cmp.Compare(abs(a.Weight), abs(b.Weight)))
	})
	var out []string
	for _, ev := range evidence[:min(maxReasons, len(evidence))] {
		w := fmt.Sprintf("%+d", ev.Weight)
		if ev.Proof {
			w = "proof"
		}
		out = append(out, fmt.Sprintf("%6s  %s", w, shorten(event.Printable(ev.Detail), 150)))
	}
	if s := tunnelFacts(e); s != "" {
		out = append(out, "        "+shorten(event.Printable(s), 200))
	}
	return out
}

// tunnelFacts tells what was read inside an opened tunnel.
func tunnelFacts(e *event.Event) string {
	var parts []string
	add := func(format string, args ...any) { parts = append(parts, fmt.Sprintf(format, args...)) }
	if p := e.PPP; p != nil {
		if p.Auth != "" {
			add("%s %s", p.Auth, cmp.Or(p.Result, "not concluded"))
		}
		if p.ClientIP.IsValid() {
			add("client got %s", p.ClientIP)
		}
	}
	if s := e.SSTP; s != nil {
		switch s.CryptoBinding {
		case inspect.BindingMatches:
			add("crypto binding matches the certificate")
		case inspect.BindingDiffers:
			add("crypto binding differs from the certificate: the TLS was intercepted")
		}
		if s.End != "" {
			add("ended by %s of the %s", s.End, s.EndBy)
		}
	}
	return strings.Join(parts, "; ")
}

func (r *tableReport) End(s *event.Summary) error {
	slices.SortStableFunc(r.rows, func(a, b row) int {
		return cmp.Or(-cmp.Compare(a.strength, b.strength), -cmp.Compare(a.score, b.score), a.start.Compare(b.start))
	})
	var b strings.Builder
	if len(r.rows) > 0 {
		r.nameSources()
		r.table(&b)
		b.WriteByte('\n')
	}
	if len(s.Destinations) > 1 || len(r.rows) == 0 && len(s.Destinations) > 0 {
		r.destinations(&b, s.Destinations)
	}
	r.summary(&b, s)
	_, err := io.WriteString(r.w, b.String())
	return err
}

// nameSources adds a column for the file where there is more than one.
func (r *tableReport) nameSources() {
	first := r.rows[0].source
	if !slices.ContainsFunc(r.rows, func(w row) bool { return w.source != first }) {
		return
	}
	r.header = append(slices.Clone(header), "FILE")
	for i := range r.rows {
		w := &r.rows[i]
		w.cells = append(w.cells, event.Printable(w.source))
	}
}

func (r *tableReport) table(b *strings.Builder) {
	var grid strings.Builder
	tw := tabwriter.NewWriter(&grid, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, strings.Join(r.header, "\t"))
	for i := range r.rows {
		fmt.Fprintln(tw, strings.Join(r.rows[i].cells, "\t"))
	}
	_ = tw.Flush() // a strings.Builder takes everything
	for i, line := range strings.Split(strings.TrimSuffix(grid.String(), "\n"), "\n") {
		line = strings.TrimRight(line, " ")
		if i == 0 {
			b.WriteString(r.paint(bold, line) + "\n")
			continue
		}
		at := &r.rows[i-1]
		verdict := at.cells[0]
		b.WriteString(r.paint(verdictColour(at.strength), verdict) + line[len(verdict):] + "\n")
		for _, d := range at.details {
			b.WriteString(r.paint(dim, "  "+d) + "\n")
		}
	}
}

// maxServers is how many servers the table names.
const maxServers = 20

// destinations ranks the servers, also those that no connection alone makes a
// case against.
func (r *tableReport) destinations(b *strings.Builder, list []event.Destination) {
	var grid strings.Builder
	tw := tabwriter.NewWriter(&grid, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "SERVER\tNAME\tVERDICT\tTUNNELS\tATTEMPTS\tPROBES\tWEAK\tCLIENTS\tBYTES\tSCORE")
	for i := range list[:min(len(list), maxServers)] {
		d := &list[i]
		ip := "-"
		if d.Server.IP.IsValid() {
			ip = bracket(d.Server.IP.String())
		}
		fmt.Fprintf(tw, "%s:%d\t%s\t%s\t%d\t%d\t%d\t%d\t%d\t%s\t%d\n", ip, d.Server.Port,
			cmp.Or(shorten(event.Printable(d.Server.Name), 48), "-"), d.Verdict, d.Tunnels, d.Attempts, d.Probes, d.Weak, d.Clients, report.Size(d.Bytes), d.Score)
	}
	_ = tw.Flush() // a strings.Builder takes everything
	title, rest, _ := strings.Cut(grid.String(), "\n")
	b.WriteString(r.paint(bold, title) + "\n" + rest)
	if n := len(list) - maxServers; n > 0 {
		fmt.Fprintf(b, "and %d more: --format json names them\n", n)
	}
	b.WriteByte('\n')
}

func (r *tableReport) summary(b *strings.Builder, s *event.Summary) {
	v, a := s.Verdicts, s.Actions
	switch {
	case s.Flows == 0:
		b.WriteString("Nothing was inspected: no TCP connection was read.\n")
	case v.Confirmed+v.Suspected == 0:
		b.WriteString("No SSTP found.\n")
	}
	fmt.Fprintf(b, "%s, %s, %s, %s in %.2f s: %d confirmed, %d suspected, %d undetermined, %d cleared\n",
		count(s.Files, "file"), count(s.Packets, "packet"), report.Size(s.Bytes), count(s.Flows, "flow"), s.Seconds,
		v.Confirmed, v.Suspected, v.Undetermined, v.Cleared)
	fmt.Fprintf(b, "policy: would drop %d, log %d, allow %d\n", a.Drop, a.Log, a.Allow)
	if s.Carved > 0 {
		fmt.Fprintf(b, "carved: %s\n", count(s.Carved, "file"))
	}
	for _, c := range s.Changes {
		if t := (policies.Transition{From: c.From, To: c.To, Details: c.Details}); t.Changed() {
			fmt.Fprintf(b, "the other policy: %s, %s\n", t, count(c.Flows, "flow"))
		}
	}
	var missed, lost []string
	for _, cause := range slices.Sorted(maps.Keys(s.Dropped)) {
		if what, ok := strings.CutPrefix(cause, "lost_"); ok {
			lost = append(lost, fmt.Sprintf("%s %d", what, s.Dropped[cause]))
			continue
		}
		missed = append(missed, fmt.Sprintf("%s %d", strings.ReplaceAll(cause, "_", " "), s.Dropped[cause]))
	}
	if len(missed) > 0 {
		fmt.Fprintf(b, "not inspected: %s\n", strings.Join(missed, ", "))
	}
	if len(lost) > 0 {
		fmt.Fprintf(b, "not recorded: %s\n", strings.Join(lost, ", "))
	}
	if len(s.Errors) > 0 {
		fmt.Fprintf(b, "%s; what was read before is counted here\n", count(uint64(len(s.Errors)), "error"))
	}
}

// ANSI colours.
const (
	bold   = "1"
	dim    = "2"
	red    = "1;31"
	yellow = "33"
	green  = "32"
)

func verdictColour(strength int) string {
	switch strength {
	case inspect.VerdictConfirmed.Strength():
		return red
	case inspect.VerdictSuspected.Strength():
		return yellow
	case inspect.VerdictCleared.Strength():
		return green
	}
	return "0"
}

func (r *tableReport) paint(code, s string) string {
	if !r.colour {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

func count(n uint64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func shorten(s string, n int) string {
	runes := []rune(s)
	if len(runes) <= n {
		return s
	}
	return string(runes[:n-1]) + "…"
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

func abs(n int) int { return max(n, -n) }
