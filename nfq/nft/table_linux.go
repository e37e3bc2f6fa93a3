package nft

import (
	"fmt"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
)

// A Table is a table of family inet as data.
type Table struct {
	Name   string
	Notes  []string // lines of comment before the text
	Sets   []Set
	Chains []Chain
}

// A Set is a named set.
type Set struct {
	Name     string
	Type     nftables.SetDatatype
	Interval bool   // the elements are ranges
	Timeout  bool   // elements may run out
	Size     uint32 // how many elements there may be, 0 for any number
	Elements []Element
}

// An Element is one element of a set: a value, or a range where the set is one of
// intervals.
type Element struct {
	Text  string                // as nft writes it
	Parts []nftables.SetElement // what the kernel is given
}

// A Chain is a base chain with the policy accept, or without a Type one that others go to.
type Chain struct {
	Name     string
	Type     nftables.ChainType
	Hook     Hook
	Priority Priority
	Rules    []Rule
}

// A Hook is where in the kernel a chain is called, and what nft calls that.
type Hook struct {
	Text  string
	Value nftables.ChainHook
}

// A Priority is the chain's place among those of one hook, and what nft calls that.
type Priority struct {
	Text  string
	Value nftables.ChainPriority
}

// A Rule is statements from left to right. Its name is a comment in the kernel, by which
// its counter is found.
type Rule struct {
	Name       string
	Statements []Statement
}

// A Statement is a match or an action.
type Statement struct {
	Text  string     // as nft writes it
	Exprs []expr.Any // what the kernel is given
}

// String writes the table as nft -f takes it and nft list prints it, but for the
// counters' values. Where there is a table of that name, nft -f adds to it.
func (t Table) String() string {
	var b strings.Builder
	for _, n := range t.Notes {
		b.WriteString("# " + n + "\n")
	}
	fmt.Fprintf(&b, "table inet %s {\n", t.Name)
	for i, s := range t.Sets {
		if i > 0 {
			b.WriteByte('\n')
		}
		s.write(&b)
	}
	for i, c := range t.Chains {
		if i > 0 || len(t.Sets) > 0 {
			b.WriteByte('\n')
		}
		c.write(&b)
	}
	b.WriteString("}\n")
	return b.String()
}

// Script is String, after commands that remove the table if it is there.
func (t Table) Script() string {
	return fmt.Sprintf("table inet %[1]s\ndelete table inet %[1]s\n\n%s", t.Name, t)
}

func (s Set) write(b *strings.Builder) {
	fmt.Fprintf(b, "\tset %s {\n\t\ttype %s\n", s.Name, s.Type.Name)
	if s.Size > 0 {
		fmt.Fprintf(b, "\t\tsize %d\n", s.Size)
	}
	switch {
	case s.Interval:
		b.WriteString("\t\tflags interval\n")
	case s.Timeout:
		b.WriteString("\t\tflags timeout\n")
	}
	if len(s.Elements) == 0 {
		b.WriteString("\t}\n")
		return
	}
	b.WriteString("\t\telements = { ")
	for i, e := range s.Elements {
		if i > 0 {
			b.WriteString(",\n\t\t\t     ")
		}
		b.WriteString(e.Text)
	}
	b.WriteString(" }\n\t}\n")
}

func (c Chain) write(b *strings.Builder) {
	fmt.Fprintf(b, "\tchain %s {\n", c.Name)
	if c.Type != "" {
		fmt.Fprintf(b, "\t\ttype %s hook %s priority %s; policy accept;\n", c.Type, c.Hook.Text, c.Priority.Text)
	}
	for _, r := range c.Rules {
		b.WriteString("\t\t")
		for _, s := range r.Statements {
			b.WriteString(s.Text + " ")
		}
		fmt.Fprintf(b, "comment %q\n", r.Name)
	}
	b.WriteString("\t}\n")
}
