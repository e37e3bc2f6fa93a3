package opa

import (
	"encoding/binary"
	"math"
	"net/netip"
	"reflect"

	"sstpwarden/policies"
	"sstpwarden/policies/event"
)

// A keyer writes what policies read of an Input as bytes. Inputs that look alike
// to the policies have the same bytes, all others have other ones.
type keyer struct {
	write writer
	timed bool // the policies read input.time, which is not written
}

// A writer appends a value. What it appends tells where it ends.
type writer func(b []byte, v reflect.Value) []byte

func newKeyer(read *facts) keyer {
	t := reflect.TypeFor[policies.Input]()
	return keyer{write: structWriter(t, read, "time"), timed: read.part("time") != nil}
}

// structWriter writes the parts of a struct that are in read, but one. Each that
// JSON may leave out has a byte before it that says whether it is there.
func structWriter(t reflect.Type, read *facts, but string) writer {
	type written struct {
		part
		write writer
	}
	var parts []written
	for _, p := range planOf(t).parts(t, read) {
		if p.name != but {
			parts = append(parts, written{part: p, write: valueWriter(p.t, p.read)})
		}
	}
	return func(b []byte, v reflect.Value) []byte {
		for i := range parts {
			p := &parts[i]
			field, ok := p.of(v)
			switch {
			case !ok:
				b = append(b, 0)
				continue
			case p.empty || p.zero:
				b = append(b, 1)
			}
			b = p.write(b, field)
		}
		return b
	}
}

// valueWriter writes apart what valueShaper shapes apart.
func valueWriter(t reflect.Type, read *facts) writer {
	switch {
	case t == reflect.TypeFor[event.Time]():
		return appendTime
	case t == reflect.TypeFor[netip.Addr]():
		return appendAddr
	case t.Kind() == reflect.Struct && t.Implements(textMarshaler):
		panic("opa: an input has a " + t.String() + ", of which the bytes are not known")
	}
	switch t.Kind() {
	case reflect.String:
		return func(b []byte, v reflect.Value) []byte { return appendString(b, v.String()) }
	case reflect.Bool:
		return func(b []byte, v reflect.Value) []byte {
			if v.Bool() {
				return append(b, 1)
			}
			return append(b, 0)
		}
	case reflect.Int:
		return func(b []byte, v reflect.Value) []byte { return binary.AppendVarint(b, v.Int()) }
	case reflect.Uint8, reflect.Uint16, reflect.Uint64: // words too, which these stand for
		return func(b []byte, v reflect.Value) []byte { return binary.AppendUvarint(b, v.Uint()) }
	case reflect.Float64:
		return func(b []byte, v reflect.Value) []byte {
			return binary.BigEndian.AppendUint64(b, math.Float64bits(v.Float()))
		}
	case reflect.Slice:
		element := valueWriter(t.Elem(), read)
		return func(b []byte, v reflect.Value) []byte {
			b = binary.AppendUvarint(b, uint64(v.Len()))
			for i := range v.Len() {
				b = element(b, v.Index(i))
			}
			return b
		}
	case reflect.Pointer:
		element := valueWriter(t.Elem(), read)
		return func(b []byte, v reflect.Value) []byte { return element(b, v.Elem()) }
	case reflect.Struct:
		return structWriter(t, read, "")
	default:
		panic("opa: an input has a " + t.String())
	}
}

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// appendTime writes what is left of a time in its text.
func appendTime(b []byte, v reflect.Value) []byte {
	t, _ := reflect.TypeAssert[event.Time](v)
	b = binary.AppendVarint(b, t.Unix())
	return binary.AppendUvarint(b, uint64(t.Nanosecond()/1000))
}

func appendAddr(b []byte, v reflect.Value) []byte {
	a, _ := reflect.TypeAssert[netip.Addr](v)
	bytes := a.As16()
	b = append(b, byte(a.BitLen()))
	b = append(b, bytes[:]...)
	return appendString(b, a.Zone())
}
