package pppref

import (
	"slices"

	"sstpwarden/inspect/ppp"
)

// wishes are the options that a Configure-Request asks for, each type once.
type wishes []ppp.Option

func (w wishes) index(t uint8) int {
	return slices.IndexFunc(w, func(o ppp.Option) bool { return o.OptionType() == t })
}

// set puts o in the place of the option of its type, and reports whether there is one.
func (w wishes) set(o ppp.Option) bool {
	i := w.index(o.OptionType())
	if i >= 0 {
		w[i] = o
	}
	return i >= 0
}

// drop takes the option of type t out.
func (w *wishes) drop(t uint8) {
	*w = slices.DeleteFunc(*w, func(o ppp.Option) bool { return o.OptionType() == t })
}
