package report

import (
	"slices"
	"time"

	"sstpwarden/policies/event"
)

// A table is a list that can be sorted and filtered on the page. Every row has
// a field for each column.
type table struct {
	ID, Caption string
	Columns     []heading
	Rows        []tableRow
	// More says what the table leaves out, "" where it is whole.
	More string
}

type heading struct {
	Name   string
	About  string // what it means, where the name does not say
	Number bool   // aligned to the right
}

type tableRow struct {
	ID     string
	Fields []field
}

// A field is one of a row. Text and Sub may hold text from the wire.
type field struct {
	Text  string
	Sub   string // a second line, smaller
	Title string // the whole of what Text cuts short
	Sort  string // what to sort by, where it is not Text
	Class string // a class of the style sheet
	Href  string
	Label string // the column's name, for narrow screens
	// Head names the row: the first column that is not a number.
	Number, Head bool
}

// maxField is how many characters a field shows, maxTitle how many its title.
const (
	maxField = 64
	maxTitle = 256
)

// textField cuts what a table has no room for.
func textField(s string) field {
	f := field{Text: short(s, maxField)}
	if f.Text != s {
		f.Title = short(s, maxTitle)
	}
	return f
}

// timeField is a time as it is read and as it sorts.
func timeField(t time.Time) field {
	return field{Text: clock(t), Sort: event.NewTime(t).String(), Class: "w"}
}

// tidy leaves out the columns that hold nothing, and labels what stays.
func (t *table) tidy() *table {
	if len(t.Rows) == 0 {
		return nil
	}
	empty := make([]bool, len(t.Columns))
	for c := range t.Columns {
		empty[c] = !slices.ContainsFunc(t.Rows, func(r tableRow) bool {
			f := &r.Fields[c]
			return f.Sub != "" || f.Text != "" && f.Text != "0"
		})
	}
	keep := func(c int) bool { return !empty[c] }
	for i := range t.Rows {
		t.Rows[i].Fields = filtered(t.Rows[i].Fields, keep)
	}
	t.Columns = filtered(t.Columns, keep)
	head := max(0, slices.IndexFunc(t.Columns, func(h heading) bool { return !h.Number }))
	for i := range t.Rows {
		for c := range t.Columns {
			f := &t.Rows[i].Fields[c]
			f.Label, f.Number, f.Head = t.Columns[c].Name, t.Columns[c].Number, c == head
		}
	}
	return t
}

// filtered gives the elements whose index is kept.
func filtered[T any](list []T, keep func(int) bool) []T {
	var out []T
	for i := range list {
		if keep(i) {
			out = append(out, list[i])
		}
	}
	return out
}
