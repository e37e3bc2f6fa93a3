package report

import (
	"strconv"

	"sstpwarden/policies/event"
)

// comparison says in a sentence what another policy would do.
func comparison(list []event.Change) string {
	var n uint64
	for _, c := range list {
		if c.From != c.To || c.Details {
			n += c.Flows
		}
	}
	if n == 0 {
		return "The policy that was compared would do the same."
	}
	return "The policy that was compared would treat " + count(n, "connection") + " otherwise."
}

// changes gives the table of what another policy would do instead.
func changes(list []event.Change) *table {
	t := &table{ID: "changes", Caption: "Policies compared", Columns: []heading{
		{Name: "Policy"}, {Name: "Compared policy"}, {Name: "Connections", Number: true},
	}}
	for _, c := range list {
		to := textField(c.To)
		switch {
		case c.Details:
			to.Sub = "other details: ban, reset, interception, probe or dry run"
		case c.From == c.To:
			to.Sub = "the same"
		}
		t.Rows = append(t.Rows, tableRow{Fields: []field{textField(c.From), to, {Text: number(c.Flows), Sort: strconv.FormatUint(c.Flows, 10)}}})
	}
	return t.tidy()
}
