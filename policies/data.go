package policies

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"sstpwarden/policies/nearest"

	"go.yaml.in/yaml/v3"
)

// MaxData bounds a file of data, in bytes.
const MaxData = 4 << 20

// The keys of a data document that the default policies read. All others are
// for the policies of whoever wrote them, and of any shape.
const (
	keySanctioned  = "sanctioned"
	keyDryRun      = "dry_run"
	keyEnforcement = "enforcement"
)

// policyPackage is where the policies lie in the data document.
const policyPackage = "sstp"

// ParseData reads a file of data for policies: JSON where name ends in ".json",
// otherwise YAML. Of YAML it takes what JSON can express: one document, keys
// that are texts, each once. What looks like a date stays a text.
//
// The result is what encoding/json would give of the same document as JSON, with
// [json.Number] for numbers; an empty document gives an empty map. It has passed
// [CheckData]. The error is a [DataErrors] with all that is wrong.
func ParseData(name string, text []byte) (map[string]any, error) {
	return parseData(name, text, (*builder).checkBuilt)
}

// ParsePart is ParseData for a part of a document, which is not checked: what
// its keys mean depends on where it belongs.
func ParsePart(name string, text []byte) (map[string]any, error) {
	return parseData(name, text, func(*builder, map[string]any) {})
}

func parseData(name string, text []byte, check func(*builder, map[string]any)) (map[string]any, error) {
	root, first := readData(name, text)
	if first != nil {
		first.File = name
		return nil, DataErrors{first}
	}
	doc := map[string]any{}
	if root == nil || root.ShortTag() == "!!null" {
		return doc, nil
	}
	var b builder
	if root.Kind != yaml.MappingNode {
		b.wrong(root, nil, "the document is no object", "write keys with values, such as \"sanctioned:\"")
	} else if tree, ok := b.value(root, nil).(map[string]any); ok {
		doc = tree
	}
	check(&b, doc)
	if len(b.errs) == 0 {
		return doc, nil
	}
	for i, e := range b.errs {
		e.File = name
		if e.Line == 0 {
			e.Line = locate(root, b.places[i])
		}
	}
	slices.SortStableFunc(b.errs, func(x, y *DataError) int { return cmp.Compare(x.Line, y.Line) })
	return nil, b.errs
}

// checkBuilt checks a document, but for the values that could not be made.
func (b *builder) checkBuilt(doc map[string]any) {
	if b.over {
		return
	}
	failed := map[string]bool{}
	for _, e := range b.errs {
		failed[e.Path] = true
	}
	var c checker
	c.check(doc)
	for i, e := range c.errs {
		if !failed[e.Path] && len(b.errs) < maxErrors {
			b.errs, b.places = append(b.errs, e), append(b.places, c.places[i])
		}
	}
}

func readData(name string, text []byte) (*yaml.Node, *DataError) {
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	if len(text) > MaxData {
		return nil, &DataError{Problem: fmt.Sprintf("is longer than %d MiB", MaxData>>20), Remedy: "split it into several files"}
	}
	if !utf8.Valid(text) {
		line := 1
		for rest := text; len(rest) > 0; {
			r, n := utf8.DecodeRune(rest)
			if r == utf8.RuneError && n == 1 {
				break
			}
			if r == '\n' {
				line++
			}
			rest = rest[n:]
		}
		return nil, &DataError{Line: line, Problem: "is not UTF-8", Remedy: "save it as UTF-8"}
	}
	if strings.EqualFold(path.Ext(name), ".json") {
		return readJSON(text)
	}
	return readYAML(text)
}

// CheckData checks what the default policies read of a data document: sanctioned,
// dry_run and enforcement. The document is as [ParseData] returns it, or merged
// of such. The error is a [DataErrors] without files and lines.
func CheckData(doc map[string]any) error {
	var c checker
	if c.check(doc); len(c.errs) > 0 {
		return c.errs
	}
	return nil
}

// A checker collects what is wrong, and the places of it.
type checker struct {
	errs   DataErrors
	places []dataPath
}

func (c *checker) wrong(at dataPath, problem, remedy string) {
	if len(c.errs) < maxErrors {
		c.errs = append(c.errs, &DataError{Path: at.String(), Problem: problem, Remedy: remedy})
		c.places = append(c.places, slices.Clone(at))
	}
}

func (c *checker) check(doc map[string]any) {
	for _, key := range slices.Sorted(maps.Keys(doc)) {
		at, v := dataPath{key}, doc[key]
		switch key {
		case keySanctioned:
			c.sanctioned(at, v)
		case keyDryRun:
			c.dryRun(at, v)
		case keyEnforcement:
			c.enforcement(at, v)
		case policyPackage:
			c.wrong(at, "is where the policies themselves lie, so data cannot", "give it another name")
		default:
			if meant := nearest.Word(key, []string{keySanctioned, keyDryRun, keyEnforcement}); meant != "" {
				c.wrong(at, "unknown key", fmt.Sprintf("did you mean %q? A key of your own needs a name less like it", meant))
			}
		}
	}
}

// ruleNames are those of the default policies.
var ruleNames = []string{"sstp.confirmed", "sstp.suspected", "sstp.sanctioned", "sstp.cleared", "sstp.undetermined"}

// dryRun checks the names of the rules of which the drops are only told.
func (c *checker) dryRun(at dataPath, v any) {
	for i, v := range c.list(at, v, "rule names, such as [sstp.suspected]") {
		at := append(at, i)
		if name, ok := c.text(at, v, "a rule's name"); ok && !slices.Contains(ruleNames, name) {
			if meant := nearest.Word(name, ruleNames); meant != "" {
				c.wrong(at, fmt.Sprintf("no rule is called %s", shown(name)), fmt.Sprintf("did you mean %q?", meant))
			}
		}
	}
}

// enforcement checks what goes with a drop.
func (c *checker) enforcement(at dataPath, v any) {
	if v == nil {
		return
	}
	e, ok := c.object(at, v, "reset", "ban")
	if !ok {
		return
	}
	if v, ok := e["reset"]; ok {
		if _, ok := v.(bool); !ok {
			c.wrong(append(at, "reset"), "is "+kindOf(v), "write true or false")
		}
	}
	if v, ok := e["ban"]; ok {
		c.duration(append(at, "ban"), v)
	}
}
