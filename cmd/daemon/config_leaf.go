package daemon

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"time"

	"go.yaml.in/yaml/v3"
)

// leaves are the types that one word is read for, and what to write for each.
var leaves = map[reflect.Type]struct {
	wants string
	parse func(string) (any, error)
}{
	reflect.TypeFor[time.Duration](): {"a time with its unit, such as 30s", parsing(parseDuration)},
	reflect.TypeFor[Size]():          {"a size, such as 64KiB", parsing(ParseSize)},
	reflect.TypeFor[PortRange]():     {"a port or a range of them, such as 8000-9000", parsing(parsePorts)},
}

func parsing[T any](f func(string) (T, error)) func(string) (any, error) {
	return func(text string) (any, error) { return f(text) }
}

func isLeaf(t reflect.Type) bool {
	_, ok := leaves[t]
	return ok || t.Kind() != reflect.Struct && t.Kind() != reflect.Slice
}

// wants says what to write for a leaf.
func wants(t reflect.Type) string {
	if l, ok := leaves[t]; ok {
		return l.wants
	}
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Int:
		return "a whole number"
	case reflect.Float64:
		return "a number"
	default:
		return "a text"
	}
}

// setLeaf reads one word. The error says what to write instead.
func setLeaf(v reflect.Value, n *yaml.Node) error {
	errWants := errors.New("write " + wants(v.Type()))
	tag := n.ShortTag()
	if l, ok := leaves[v.Type()]; ok {
		value, err := l.parse(n.Value)
		if err == nil {
			v.Set(reflect.ValueOf(value))
		}
		return err
	}
	switch v.Kind() {
	case reflect.Bool:
		var b bool
		if tag != "!!bool" || n.Decode(&b) != nil {
			return errWants
		}
		v.SetBool(b)
	case reflect.Int:
		var i int
		if tag != "!!int" || n.Decode(&i) != nil {
			return errWants
		}
		v.SetInt(int64(i))
	case reflect.Float64:
		var f float64
		if tag != "!!int" && tag != "!!float" || n.Decode(&f) != nil || math.IsNaN(f) || math.IsInf(f, 0) {
			return errWants
		}
		v.SetFloat(f)
	default:
		if tag != "!!str" && tag != "!!timestamp" {
			return fmt.Errorf("write a text: in quotes, if you mean %q", n.Value)
		}
		v.SetString(n.Value)
	}
	return nil
}
