package report

import (
	"fmt"
	"html/template"
	"slices"
	"strings"

	"sstpwarden/policies/event"
)

// A view is the page, as the template lays it out. Parts that are nil or empty
// are left out.
type view struct {
	CSP    string
	Style  template.CSS
	Script template.JS

	Title, Program, Made string
	Headline             string
	Answers              []string // what the headline leaves open, a sentence each
	Warnings             []string // what to know before trusting it
	Facts                []fact
	Shares               []share

	NotRead    []fact
	Errors     []fact // by source
	MoreErrors string
	Changes    *table
	TimeLine   *timeLine
	Servers    *table
	Clients    *table
	Listed     *table
	NotListed  string // what is not, by choice

	Details     []details
	MoreDetails string
	Scale       string // what the weights mean
	PrintAll    bool   // print the details also where they are folded
}

// A share is a verdict's part of all connections.
type share struct {
	X, Width, Class, Count, Name string
}

const (
	// maxOpen is how many details are unfolded from the beginning.
	maxOpen = 2
	// maxPrinted is how many details are printed without being unfolded.
	maxPrinted = 60
)

func (h *HTML) view(s *event.Summary) *view {
	rows, full := h.rows.sorted(), h.full.sorted()
	places := make(map[int]int, len(full))
	for i := range full {
		places[full[i].rank.seq] = i
	}
	prefix := commonFolder(rows)
	v := &view{
		CSP: contentSecurityPolicy(), Style: template.CSS(style), Script: template.JS(script),
		Program:  h.o.Program,
		Headline: headline(s),
		Answers:  h.answers(s),
		Warnings: warnings(s),
		Facts:    h.facts(s, prefix),
		Shares:   shares(s),
		NotRead:  h.notRead(s),
		Changes:  changes(s.Changes),
		TimeLine: h.spans.timeLine(places),
		Servers:  servers(s.Destinations),
		Clients:  h.clients.table(),
		Listed:   connections(rows, len(full), prefix, h.seq),
		Scale:    scale(h.o.Settings),
		PrintAll: len(full) <= maxPrinted,
	}
	v.Title = strings.TrimSuffix(v.Headline, ".") + " – sstpwarden audit"
	if !h.o.Generated.IsZero() {
		v.Made = clock(h.o.Generated) + " UTC"
	}
	if !h.o.All && s.Verdicts.Undetermined+s.Verdicts.Cleared > 0 {
		v.NotListed = "Undetermined and cleared connections are counted, and not listed: sstpwarden audit --all lists them too."
	}
	for _, e := range s.Errors[:min(len(s.Errors), maxErrors)] {
		var fs facts
		fs.add(short(e.Source, maxTitle), strings.TrimPrefix(e.Error, e.Source+": "))
		v.Errors = append(v.Errors, fs.list...)
	}
	if left := len(s.Errors) - maxErrors; left > 0 {
		v.MoreErrors = count(left, "more error") + ": sstpwarden audit prints them all."
	}
	for i := range full {
		v.Details = append(v.Details, newDetails(full[i].value, i, h.o.Settings))
		v.Details[i].Open = len(full) <= maxOpen
	}
	if left := len(rows) - len(full); left > 0 {
		v.MoreDetails = fmt.Sprintf("The %d strongest cases are laid out here. sstpwarden audit --format json has the facts of every connection.", len(full))
	}
	return v
}

func headline(s *event.Summary) string {
	c, p := s.Verdicts.Confirmed, s.Verdicts.Suspected
	switch {
	case s.Flows == 0:
		return "Nothing was inspected: no TCP connection was read."
	case c+p == 0:
		return "No SSTP found."
	case p == 0:
		return "SSTP found: " + number(c) + " confirmed."
	case c == 0:
		return "SSTP found: " + number(p) + " suspected."
	}
	return "SSTP found: " + number(c) + " confirmed, " + number(p) + " suspected."
}

// answers says what the policy would do, and what another one would.
func (h *HTML) answers(s *event.Summary) []string {
	var out []string
	t := &h.tally
	switch passed := t.found - t.foundDropped; {
	case t.found == 0:
	case t.found == 1 && passed == 0:
		out = append(out, "The policy would drop it.")
	case t.found == 1:
		out = append(out, "The policy would let it pass.")
	case passed == 0:
		out = append(out, "The policy would drop all "+number(uint64(t.found))+" of them.")
	case t.foundDropped == 0:
		out = append(out, "The policy would let all "+number(uint64(t.found))+" of them pass.")
	default:
		out = append(out, fmt.Sprintf("The policy would drop %s of them and let %s pass.", number(uint64(t.foundDropped)), number(uint64(passed))))
	}
	switch {
	case t.otherDropped > 0 && t.found > 0:
		out = append(out, "It would also drop "+count(t.otherDropped, "other connection")+".")
	case t.otherDropped > 0:
		out = append(out, "The policy would drop "+count(t.otherDropped, "connection")+" all the same.")
	case t.found == 0 && s.Flows > 0:
		out = append(out, "The policy would let all of it pass.")
	}
	if len(s.Changes) > 0 {
		out = append(out, comparison(s.Changes))
	}
	return out
}

// warnings says where the answer may be less than the whole.
func warnings(s *event.Summary) []string {
	var out []string
	if n := len(s.Errors); n > 0 {
		out = append(out, count(n, "error")+": not everything could be read or decided. What was read before is counted here.")
	}
	if len(s.Dropped) > 0 {
		out = append(out, "Parts of the captures were not inspected: see below which, and why.")
	}
	return out
}

// facts sums up what was read, and by what.
func (h *HTML) facts(s *event.Summary, prefix string) []fact {
	var fs facts
	fs.add("Read", count(s.Files, "capture")+", "+count(s.Packets, "packet")+", "+Size(s.Bytes))
	if s.Skipped > 0 {
		fs.note("Passed over", number(s.Skipped), "files in folders that are no captures")
	}
	fs.add("Connections", number(s.Flows))
	if t := &h.tally; t.events > 0 {
		fs.add("From, to (UTC)", period(t.first, t.last))
	}
	fs.mono("Inputs", h.o.Inputs...)
	if prefix != "" && !slices.ContainsFunc(h.o.Inputs, func(in string) bool { return strings.TrimSuffix(in, "/")+"/" == prefix }) {
		fs.mono("Files are in", prefix)
	}
	fs.mono("Rules", h.o.RulesRevision)
	fs.mono("Policy", h.tally.revisions...)
	if n := h.tally.opened + h.tally.closed; n > 0 {
		fs.add("TLS opened", fmt.Sprintf("%s of %s found", number(uint64(h.tally.opened)), number(uint64(n))))
	}
	fs.add("Took", Lasted(s.Seconds))
	return fs.list
}

// shares parts the connections by verdict, for a bar.
func shares(s *event.Summary) []share {
	all := []share{{Class: "confirmed"}, {Class: "suspected"}, {Class: "undetermined"}, {Class: "cleared"}}
	counts := []uint64{s.Verdicts.Confirmed, s.Verdicts.Suspected, s.Verdicts.Undetermined, s.Verdicts.Cleared}
	var total, before uint64
	for _, n := range counts {
		total += n
	}
	if total == 0 {
		return nil
	}
	for i, n := range counts {
		all[i].Name, all[i].Count = all[i].Class, number(n)
		all[i].X = percent(100 * float64(before) / float64(total))
		all[i].Width = percent(100 * float64(n) / float64(total))
		before += n
	}
	return all
}
