package policies

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// What a document may be at most. Policies need a fraction of it.
const (
	maxDepth   = 100     // of lists and objects in each other
	maxAliased = 100_000 // values that come from YAML's aliases
)

// readYAML gives the root of the one document in text, nil for an empty one.
func readYAML(text []byte) (*yaml.Node, *DataError) {
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var doc, more yaml.Node
	switch err := decoder.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return nil, nil
	case err != nil:
		return nil, yamlError(err)
	}
	switch err := decoder.Decode(&more); {
	case errors.Is(err, io.EOF):
		return doc.Content[0], nil
	case err != nil:
		return nil, yamlError(err)
	}
	return nil, &DataError{Line: more.Line, Problem: "a second document begins", Remedy: "write one document a file"}
}

var yamlLine = regexp.MustCompile(`^line (\d+): `)

func yamlError(err error) *DataError {
	e := &DataError{Problem: strings.TrimPrefix(err.Error(), "yaml: ")}
	if m := yamlLine.FindStringSubmatch(e.Problem); m != nil {
		e.Line, _ = strconv.Atoi(m[1]) // digits
		e.Problem = e.Problem[len(m[0]):]
	}
	e.Problem = "is no YAML: " + e.Problem
	return e
}

// readJSON gives the document in text as YAML's tree.
func readJSON(text []byte) (*yaml.Node, *DataError) {
	var raw json.RawMessage
	if err := json.Unmarshal(text, &raw); err != nil {
		e := &DataError{Problem: "is no JSON: " + err.Error()}
		if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
			e.Line = 1 + bytes.Count(text[:min(syntax.Offset, int64(len(text)))], []byte("\n"))
		}
		return nil, e
	}
	r := jsonReader{text: text, decoder: json.NewDecoder(bytes.NewReader(text)), line: 1}
	r.decoder.UseNumber()
	return r.value(), nil
}

// A jsonReader reads JSON that is known to be well-formed.
type jsonReader struct {
	text    []byte
	decoder *json.Decoder
	line    int
	counted int64 // bytes that line accounts for
}

func (r *jsonReader) value() *yaml.Node {
	token, err := r.decoder.Token()
	if err != nil {
		panic(err) // it was well-formed
	}
	at := r.decoder.InputOffset()
	r.line += bytes.Count(r.text[r.counted:at], []byte("\n"))
	r.counted = at
	n := &yaml.Node{Kind: yaml.ScalarNode, Line: r.line}
	switch t := token.(type) {
	case nil:
		n.Tag = "!!null"
	case bool:
		n.Tag, n.Value = "!!bool", strconv.FormatBool(t)
	case json.Number:
		n.Tag, n.Value = "!!float", t.String()
	case string:
		n.Tag, n.Value = "!!str", t
	case json.Delim:
		n.Kind, n.Tag = yaml.SequenceNode, "!!seq"
		if t == '{' {
			n.Kind, n.Tag = yaml.MappingNode, "!!map"
		}
		for r.decoder.More() {
			n.Content = append(n.Content, r.value()) // of an object, keys and values in turn
		}
		_, _ = r.decoder.Token() // the end of it
	}
	return n
}

// A builder makes what JSON would give of YAML's tree.
type builder struct {
	checker
	aliased int  // values made under aliases
	within  int  // aliases around the present value
	over    bool // a bound was exceeded: no use to go on
}

func (b *builder) wrong(n *yaml.Node, at dataPath, problem, remedy string) {
	before := len(b.errs)
	if b.checker.wrong(at, problem, remedy); len(b.errs) > before {
		b.errs[before].Line = n.Line
	}
}

func (b *builder) value(n *yaml.Node, at dataPath) any {
	if b.over {
		return nil
	}
	if n.Kind == yaml.AliasNode {
		b.within++
		defer func() { b.within-- }()
		n = n.Alias
	}
	if b.within > 0 {
		b.aliased++
	}
	switch {
	case len(at)+b.within > maxDepth:
		b.over = true
		b.wrong(n, nil, fmt.Sprintf("lists and objects lie more than %d deep in each other", maxDepth), "make it flatter")
		return nil
	case b.aliased > maxAliased:
		b.over = true
		b.wrong(n, nil, fmt.Sprintf("aliases stand for more than %d values", maxAliased), "write them out, or use fewer")
		return nil
	}
	switch n.Kind {
	case yaml.SequenceNode:
		if b.tagged(n, at, "!!seq") {
			return nil
		}
		list := make([]any, len(n.Content))
		for i, c := range n.Content {
			list[i] = b.value(c, append(at, i))
		}
		return list
	case yaml.MappingNode:
		if b.tagged(n, at, "!!map") {
			return nil
		}
		return b.object(n, at)
	default:
		return b.scalar(n, at)
	}
}

// tagged refuses the tags of YAML that JSON has nothing for.
func (b *builder) tagged(n *yaml.Node, at dataPath, want string) bool {
	if n.ShortTag() == want {
		return false
	}
	b.wrong(n, at, fmt.Sprintf("has the tag %s, which JSON cannot express", shown(n.Tag)), "leave the tag out")
	return true
}

func (b *builder) object(n *yaml.Node, at dataPath) map[string]any {
	out := make(map[string]any, len(n.Content)/2)
	lines := make(map[string]int, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if key.Kind == yaml.AliasNode {
			key = key.Alias
		}
		if problem, remedy := badKey(key); problem != "" {
			b.wrong(n.Content[i], at, problem, remedy)
			continue
		}
		if line, twice := lines[key.Value]; twice {
			b.wrong(n.Content[i], append(at, key.Value), fmt.Sprintf("is there twice, first in line %d", line), "take one of them out")
			continue
		}
		lines[key.Value] = n.Content[i].Line
		out[key.Value] = b.value(value, append(at, key.Value))
	}
	return out
}

// badKey says what is wrong with a key, "" for nothing.
func badKey(key *yaml.Node) (problem, remedy string) {
	switch tag := key.ShortTag(); {
	case tag == "!!merge":
		return `has a merge key "<<", which JSON cannot express`, "write the keys out"
	case key.Kind != yaml.ScalarNode:
		return "has a list or an object for a key", "write a text"
	case tag != "!!str" && tag != "!!timestamp":
		return fmt.Sprintf("has the key %s, which is no text", shown(key.Value)), fmt.Sprintf("write it in quotes: %q", key.Value)
	}
	return "", ""
}

// isJSONNumber follows RFC 8259, Section 6.
func isJSONNumber(s string) bool {
	return s != "" && (s[0] == '-' || '0' <= s[0] && s[0] <= '9') && json.Valid([]byte(s))
}

// beginsWithZero says that s has digits after a zero at its begin.
func beginsWithZero(s string) bool {
	s = strings.TrimLeft(s, "+-")
	return len(s) > 1 && s[0] == '0' && ('0' <= s[1] && s[1] <= '9' || s[1] == '_')
}

func (b *builder) scalar(n *yaml.Node, at dataPath) any {
	switch n.ShortTag() {
	case "!!str", "!!timestamp":
		return n.Value
	case "!!null":
		return nil
	case "!!bool":
		var v bool
		if n.Decode(&v) == nil {
			return v
		}
	case "!!int", "!!float":
		return b.number(n, at)
	}
	b.wrong(n, at, fmt.Sprintf("has the tag %s, which JSON cannot express", shown(n.Tag)), "leave the tag out")
	return nil
}

// number gives the number as it was written, if JSON could have.
func (b *builder) number(n *yaml.Node, at dataPath) any {
	if beginsWithZero(n.Value) {
		b.wrong(n, at, n.Value+" begins with a zero, which some readers take for octal", fmt.Sprintf("write it without the zero, or as text: %q", n.Value))
		return nil
	}
	if isJSONNumber(n.Value) {
		if _, err := strconv.ParseFloat(n.Value, 64); err == nil {
			return json.Number(n.Value)
		}
	}
	var i int64
	var u uint64
	var f float64
	switch {
	case n.ShortTag() == "!!int" && n.Decode(&i) == nil:
		return json.Number(strconv.FormatInt(i, 10))
	case n.ShortTag() == "!!int" && n.Decode(&u) == nil:
		return json.Number(strconv.FormatUint(u, 10))
	case n.Decode(&f) == nil && !math.IsInf(f, 0) && !math.IsNaN(f):
		return json.Number(strconv.FormatFloat(f, 'g', -1, 64))
	}
	b.wrong(n, at, shown(n.Value)+" is no number that JSON can express", "write a finite number, or a text in quotes")
	return nil
}

// locate follows a path as far as it goes, and gives the line where what it
// leads to begins: that of the key where there is one.
func locate(n *yaml.Node, at dataPath) int {
	line := 0
	for i := 0; n != nil; i++ {
		if n.Kind == yaml.AliasNode {
			n = n.Alias
		}
		if line == 0 {
			line = n.Line
		}
		if i == len(at) {
			break
		}
		var next *yaml.Node
		switch step := at[i].(type) {
		case int:
			if n.Kind == yaml.SequenceNode && step < len(n.Content) {
				next = n.Content[step]
				line = next.Line
			}
		case string:
			for j := 0; n.Kind == yaml.MappingNode && j+1 < len(n.Content); j += 2 {
				if n.Content[j].Value == step {
					next = n.Content[j+1]
					line = n.Content[j].Line
					break // of one that is there twice, the first counts
				}
			}
		}
		n = next
	}
	return line
}
