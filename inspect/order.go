package inspect

import (
	"fmt"
	"slices"
	"strings"
)

// checkOrder refuses rules that can never hold, because rules require one
// another in a circle or what a rule requires ends it.
func (rs *Ruleset) checkOrder() error {
	o := order{rs.rules, make([]bool, len(rs.rules)), make([]ruleMask, len(rs.rules))}
	for again := true; again; {
		again = false
		for i := range rs.rules {
			again = o.look(i) || again
		}
	}
	if i := slices.Index(o.possible, false); i >= 0 {
		return o.explain(i)
	}
	return nil
}

// An order says which rules can hold, and which others held before in any case.
type order struct {
	rules    []compiled
	possible []bool
	before   []ruleMask
}

// look asks of one rule, by what is known of the others, and says whether that
// is news.
func (o *order) look(i int) (news bool) {
	r := &o.rules[i]
	if len(r.after) == 0 {
		news = !o.possible[i]
		o.possible[i] = true
		return news
	}
	var before ruleMask
	can := false
	for _, j := range r.after {
		if !o.possible[j] || o.ended(i, j) >= 0 {
			continue
		}
		through := o.before[j]
		through.add(j)
		if !can {
			before, can = through, true
		}
		for w := range before {
			before[w] &= through[w]
		}
	}
	news = can != o.possible[i] || before != o.before[i]
	o.possible[i], o.before[i] = can, before
	return news
}

// ended gives a rule that ends rule i and has held when j holds, -1 for none.
func (o *order) ended(i, j int) int {
	for _, k := range o.rules[i].unless {
		if k == j || o.before[j].has(k) {
			return k
		}
	}
	return -1
}

// explain says why rule i cannot hold.
func (o *order) explain(i int) error {
	var way []int
	for !slices.Contains(way, i) {
		way = append(way, i)
		next := slices.IndexFunc(o.rules[i].after, func(j int) bool { return !o.possible[j] })
		if next < 0 {
			return o.contradiction(i)
		}
		i = o.rules[i].after[next]
	}
	return o.circle(way[slices.Index(way, i):])
}

// circle is the error of rules of which each requires the next.
func (o *order) circle(rules []int) error {
	first := rules[0]
	var text strings.Builder
	for i, j := range append(rules[1:], first) {
		text.WriteString([]string{o.rules[first].ID + " requires ", ", which requires "}[min(i, 1)] + o.rules[j].ID)
	}
	return &RuleError{
		Index: first, ID: o.rules[first].ID, Field: "requires", Others: rules[1:],
		Err: fmt.Errorf("a circle in which no rule can ever hold: %s", &text),
	}
}

// contradiction is the error of a rule that has ended whenever what it requires
// holds.
func (o *order) contradiction(i int) error {
	r := &o.rules[i]
	j := r.after[0]
	k := o.ended(i, j)
	why := ""
	if k != j {
		why = fmt.Sprintf(", which holds only after %s,", o.rules[k].ID)
	}
	return &RuleError{
		Index: i, ID: r.ID, Field: "unless", Others: []int{j, k},
		Err: fmt.Errorf("%s requires %s%s and ends with %s: it can never hold", r.ID, o.rules[j].ID, why, o.rules[k].ID),
	}
}
