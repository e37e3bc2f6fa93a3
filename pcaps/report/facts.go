package report

import "fmt"

// A fact is a name and what was found for it.
type fact struct {
	Name   string
	Values []value
	Mono   bool   // of names, numbers and identifiers that are compared by eye
	Run    bool   // values follow each other on the line
	Note   string // what it means
}

// A value is text that may be from the wire. Where it is long, Head is its
// beginning and Whole all of it, or as much as there is room for: the JSON has
// Left characters more.
type value struct {
	Head, Whole string
	Left        int
}

const (
	// maxHead is how many characters are shown at once.
	maxHead = 240
	// maxFacts is how many characters a list of facts holds, folded or not,
	// and maxValues how many values one of them has: a page stays readable,
	// and its size bounded, whatever the wire brings.
	maxFacts  = 4096
	maxValues = 100
)

// facts is a list of them; what is empty is not added.
type facts struct {
	list []fact
	used int // characters, or more
}

func (fs *facts) add(name string, values ...string) { fs.put(fact{Name: name}, values) }

func (fs *facts) mono(name string, values ...string) { fs.put(fact{Name: name, Mono: true}, values) }

// run adds a list of names.
func (fs *facts) run(name string, values ...string) {
	fs.put(fact{Name: name, Mono: true, Run: true}, values)
}

func (fs *facts) note(name, value, note string) {
	fs.put(fact{Name: name, Note: note}, []string{value})
}

func (fs *facts) put(f fact, values []string) {
	for i, v := range values {
		if len(f.Values) == maxValues {
			f.Values = append(f.Values, value{Head: fmt.Sprintf("and %d more", len(values)-i)})
			break
		}
		if v != "" {
			f.Values = append(f.Values, fs.value(v))
		}
	}
	if len(f.Values) > 0 {
		fs.list = append(fs.list, f)
	}
}

func (fs *facts) value(s string) value {
	whole, left := cut(s, max(0, maxFacts-fs.used))
	fs.used += len(whole)
	v := value{Left: left}
	if v.Head, _ = cut(whole, maxHead); len(v.Head) < len(s) {
		v.Whole = whole
	}
	return v
}

// flag adds a fact that is only told where it is so.
func (fs *facts) flag(is bool, name, value string) {
	if is {
		fs.add(name, value)
	}
}
