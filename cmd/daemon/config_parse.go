package daemon

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"sstpwarden/proxy/access"
)

// maxConfig bounds a file of configuration, in bytes.
const maxConfig = 1 << 20

// Load reads a file of configuration. Names of files in it that are relative
// are taken from the file's own folder. What is wrong with its text is a
// [ConfigErrors]; what lacks something that a flag may give, [Config.Check] tells.
func Load(path string) (*Config, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("loading the configuration: %w", err)
	}
	defer func() { _ = f.Close() }() // it was only read
	text, err := io.ReadAll(io.LimitReader(f, maxConfig+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("loading the configuration: %w", err)
	case len(text) > maxConfig:
		return nil, fmt.Errorf("loading the configuration %s: it has more than %d bytes: is it one?", path, maxConfig)
	}
	c, err := Parse(path, text)
	if err != nil {
		return nil, err
	}
	dir, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return nil, fmt.Errorf("loading the configuration %s: %w", path, err)
	}
	c.resolve(dir)
	return c, nil
}

// Parse reads the text of a file of configuration over the defaults; name is
// what errors call it. The error is a [ConfigErrors] with all that is wrong.
func Parse(name string, text []byte) (*Config, error) {
	c := Default()
	r := reader{problems{file: name, lines: map[string]position{}}}
	if root := r.document(text); root != nil {
		r.value(root, reflect.ValueOf(&c).Elem(), "")
	}
	bad := map[string]bool{} // what was not read was told already
	for _, e := range r.errs {
		bad[e.Key] = true
	}
	checked := checker{problems: &r.problems, skip: bad}
	checked.config(&c)
	if err := r.err(); err != nil {
		return nil, err
	}
	return &c, nil
}

// A reader fills a Config from YAML's tree.
type reader struct{ problems }

var yamlLine = regexp.MustCompile(`^line (\d+): `)

// document gives the root of the one document in text, nil for nothing.
func (r *reader) document(text []byte) *yaml.Node {
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var doc, more yaml.Node
	err := decoder.Decode(&doc)
	if err == nil {
		if err = decoder.Decode(&more); err == nil {
			r.at(position{more.Line, more.Column}, "", "a second document begins", "write one document a file")
			return nil
		}
	}
	if !errors.Is(err, io.EOF) {
		what, at := strings.TrimPrefix(err.Error(), "yaml: "), position{}
		if m := yamlLine.FindStringSubmatch(what); m != nil {
			at.line, _ = strconv.Atoi(m[1]) // digits
			what = what[len(m[0]):]
		}
		r.at(at, "", "is no YAML: "+what, "")
		return nil
	}
	if len(doc.Content) == 0 {
		return nil
	}
	return doc.Content[0]
}

// value fills v, which key names, from n. Lists and objects lie in each other as
// the types of v do, so that aliases cannot lead far.
func (r *reader) value(n *yaml.Node, v reflect.Value, key string) {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n.Kind == yaml.ScalarNode || r.lines[key] == (position{}) {
		r.lines[key] = position{n.Line, n.Column}
	}
	switch leaf := isLeaf(v.Type()); {
	case leaf && n.Kind != yaml.ScalarNode:
		r.wrong(key, "is "+kindOf(n), "write "+wants(v.Type()))
	case leaf && n.ShortTag() == "!!null":
		r.wrong(key, "has no value", "write "+wants(v.Type())+", or take the key out for the default")
	case leaf:
		if err := setLeaf(v, n); err != nil {
			r.wrong(key, shown(n.Value)+" does not do", err.Error())
		}
	case v.Kind() == reflect.Slice:
		r.list(n, v, key)
	default:
		r.object(n, v, key)
	}
}

func (r *reader) list(n *yaml.Node, v reflect.Value, key string) {
	switch {
	case n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null":
		r.wrong(key, "has no value", "write a list, [] for an empty one, or take the key out for the default")
		return
	case n.Kind == yaml.ScalarNode:
		r.wrong(key, shown(n.Value)+" is no list", "write it as one: ["+n.Value+"]")
		return
	case n.Kind != yaml.SequenceNode:
		r.wrong(key, "is "+kindOf(n), "write a list")
		return
	}
	if networks, ok := reflect.TypeAssert[*[]netip.Prefix](v.Addr()); ok {
		*networks = r.networks(n, key)
		return
	}
	out := reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content))
	for i, item := range n.Content {
		r.value(item, out.Index(i), fmt.Sprintf("%s[%d]", key, i))
	}
	v.Set(out)
}

// networks reads a list of which one word, private, stands for several.
func (r *reader) networks(n *yaml.Node, key string) []netip.Prefix {
	var out []netip.Prefix
	for i, item := range n.Content {
		var text string
		at, before := fmt.Sprintf("%s[%d]", key, i), len(r.errs)
		if r.value(item, reflect.ValueOf(&text).Elem(), at); len(r.errs) > before {
			continue
		}
		list, err := access.ParseNetworks([]string{text})
		if err != nil {
			r.wrong(at, err.Error(), "")
		}
		out = append(out, list...)
	}
	return out
}

func (r *reader) object(n *yaml.Node, v reflect.Value, key string) {
	switch {
	case n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null":
		return // all below it is commented out
	case n.Kind != yaml.MappingNode:
		r.wrong(key, "is "+kindOf(n), "write keys below it: "+listed(keys(v.Type()), "and"))
		return
	}
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k := n.Content[i]
		at := position{k.Line, k.Column}
		path := under(key, keyShown(k.Value))
		if k.Kind != yaml.ScalarNode {
			r.at(at, key, "has a key that is "+kindOf(k), "write a word")
			continue
		}
		field := fieldOf(v, k.Value)
		if !field.IsValid() {
			r.at(at, path, "is not known", allowed(k.Value, keys(v.Type())))
			continue
		}
		if line, twice := seen[k.Value]; twice {
			r.at(at, path, fmt.Sprintf("is there twice, first in line %d", line), "take one of them out")
			continue
		}
		seen[k.Value] = k.Line
		r.lines[path] = at
		r.value(n.Content[i+1], field, path)
	}
}

// under gives the name of a key below another.
func under(key, name string) string {
	if key == "" {
		return name
	}
	return key + "." + name
}

func keys(t reflect.Type) []string {
	out := make([]string, t.NumField())
	for i := range out {
		out[i] = t.Field(i).Tag.Get("yaml")
	}
	return out
}

func fieldOf(v reflect.Value, name string) reflect.Value {
	for i, key := range keys(v.Type()) {
		if key == name {
			return v.Field(i)
		}
	}
	return reflect.Value{}
}

func kindOf(n *yaml.Node) string {
	switch n.Kind {
	case yaml.SequenceNode:
		return "a list"
	case yaml.MappingNode:
		return "an object"
	default:
		return "a word"
	}
}
