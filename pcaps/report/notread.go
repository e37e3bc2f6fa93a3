package report

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"sstpwarden/policies/event"
)

// notRead says what was not inspected, and why.
func (h *HTML) notRead(s *event.Summary) []fact {
	var out []fact
	for _, cause := range slices.Sorted(maps.Keys(s.Dropped)) {
		what, why := words(cause), ""
		if c, ok := causes[cause]; ok {
			what, why = c.what, c.why
		}
		out = append(out, fact{Name: what, Values: []value{{Head: number(s.Dropped[cause])}}, Note: why})
	}
	reasons := slices.SortedFunc(maps.Keys(h.tally.why), func(a, b string) int {
		return cmp.Or(-cmp.Compare(h.tally.why[a], h.tally.why[b]), strings.Compare(a, b))
	})
	for _, r := range reasons {
		out = append(out, fact{
			Name:   "TLS not opened",
			Values: []value{{Head: count(h.tally.why[r], "connection")}},
			Note:   short(r, maxTitle),
		})
	}
	return out
}

// causes words the causes in a summary's Dropped.
var causes = map[string]struct{ what, why string }{
	"flows_evicted":            {"Connections given up", "the table of connections was full; they were judged by what had been seen"},
	"half_open_evicted":        {"Half-open connections given up", "the table of connections was full, as in a flood of SYNs"},
	"missing_bytes":            {"Bytes missing", "the capture lacks them: the connections they belong to were judged around the holes"},
	"segments_over_flow_limit": {"Segments not kept", "a connection had more data out of order than is held for one"},
	"segments_over_limit":      {"Segments not kept", "there was more data out of order than is held in all"},
	"fragments":                {"IP fragments", "they overlap, are malformed, cut short, or never became whole"},
	"undecodable_packets":      {"Packets not understood", "their headers are broken or cut short by the capture"},
	"unknown_link_packets":     {"Packets of unknown links", "the link type is not known here"},
}
