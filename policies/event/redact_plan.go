package event

import (
	"encoding"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// words are fields that hold words of ours, of the specifications or of rules:
// never something that was read. Everything else is redacted, so a new field is
// too until it is named here.
var words = []string{
	"event_type", "community_id", "proto", "app_proto", "state", "seen",
	"proxy.mode", "proxy.bypass", "proxy.end",
	"detection.client", "detection.server", "detection.evidence.rule",
	"decision.action", "decision.revision", "decision.ban",
	"other_decision.action", "other_decision.revision", "other_decision.ban",
	"connect.protocol", "connect.oddities",
	"tls.version", "tls.cipher", "tls.ja3", "tls.ja3s", "tls.ja4", "tls.certificate_sha256", "tls.not_opened",
	"http.protocol", "http.oddities",
	"sstp.messages", "sstp.hash_offered", "sstp.hash_used", "sstp.crypto_binding", "sstp.crypto_binding_unknown",
	"sstp.nak", "sstp.end", "sstp.end_by", "sstp.end_status",
	"ppp.auth", "ppp.result", "ppp.protocols",
	"timeline.what",
}

// users are fields that hold a user's name and nothing else.
var users = []string{"user", "connect.user", "ppp.user"}

// A step is a field to redact.
type step struct {
	index    int
	name     string
	kind     stepKind
	required bool   // is never left out
	inner    []step // of stepStruct, stepPointer and stepSlice
}

type stepKind uint8

const (
	stepText stepKind = iota
	stepTexts
	stepUser
	stepAddress
	stepAddresses
	stepStruct
	stepPointer
	stepSlice // of structs
)

var (
	eventPlan   = newPlan(reflect.TypeFor[Event](), "")
	summaryPlan = newPlan(reflect.TypeFor[Summary](), "")
)

var (
	textMarshaler = reflect.TypeFor[encoding.TextMarshaler]()
	addrType      = reflect.TypeFor[netip.Addr]()
)

// newPlan finds what there is to redact in a struct that stands at path.
func newPlan(t reflect.Type, path string) []step {
	var plan []step
	for i := range t.NumField() {
		f := t.Field(i)
		name, option, _ := strings.Cut(f.Tag.Get("json"), ",")
		s := step{index: i, name: name, required: option == ""}
		at := path + name
		if slices.Contains(words, at) {
			continue
		}
		ok := true
		switch {
		case f.Type == addrType:
			s.kind = stepAddress
		case f.Type.Implements(textMarshaler):
			continue // a verdict, a kind or a time
		case f.Type.Kind() == reflect.String && slices.Contains(users, at):
			s.kind = stepUser
		case f.Type.Kind() == reflect.String:
			s.kind = stepText
		case f.Type.Kind() == reflect.Struct:
			s.kind = stepStruct
			s.inner = newPlan(f.Type, at+".")
			ok = s.inner != nil
		case f.Type.Kind() == reflect.Pointer && f.Type.Elem().Kind() == reflect.Struct:
			s.kind = stepPointer
			s.inner = newPlan(f.Type.Elem(), at+".")
			ok = s.inner != nil
		case f.Type.Kind() == reflect.Slice:
			s, ok = sliceStep(s, f.Type.Elem(), at)
		case isNumber(f.Type):
			ok = false
		default:
			panic(fmt.Sprintf("event: no way to redact %s, a %v", at, f.Type))
		}
		if ok {
			plan = append(plan, s)
		}
	}
	return plan
}

func sliceStep(s step, elem reflect.Type, at string) (step, bool) {
	switch {
	case elem == addrType:
		s.kind = stepAddresses
	case elem.Kind() == reflect.String:
		s.kind = stepTexts
	case elem.Kind() == reflect.Struct:
		s.kind = stepSlice
		s.inner = newPlan(elem, at+".")
		return s, s.inner != nil
	default:
		panic(fmt.Sprintf("event: no way to redact %s, a list of %v", at, elem))
	}
	return s, true
}

// isNumber says that t holds numbers, truths, or numbers by words of ours.
func isNumber(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Bool, reflect.Float64,
		reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return true
	case reflect.Map, reflect.Pointer:
		return isNumber(t.Elem())
	default:
		return false
	}
}

// A walk redacts one event or summary.
type walk struct {
	replacer
	tell           bool
	path           []string
	masked, erased []string
}

func (r *Redactor) newWalk(tell bool) *walk {
	return &walk{replacer: replacer{pseudonyms: r.newPseudonyms()}, tell: tell}
}

// did notes that a field was replaced, or left out.
func (w *walk) did(name string, gone bool) {
	if !w.tell {
		return
	}
	at := "/" + strings.Join(append(w.path, name), "/")
	if gone {
		w.erased = append(w.erased, at)
	} else {
		w.masked = append(w.masked, at)
	}
}

func (w *walk) enter(name string) { w.path = append(w.path, name) }
func (w *walk) leave()            { w.path = w.path[:len(w.path)-1] }

// findAddresses learns the addresses that are fields.
func (w *walk) findAddresses(v reflect.Value, plan []step) {
	for i := range plan {
		s := &plan[i]
		f := v.Field(s.index)
		switch s.kind {
		case stepAddress:
			w.learnAddress(f.Interface().(netip.Addr))
		case stepAddresses:
			for _, a := range f.Interface().([]netip.Addr) {
				w.learnAddress(a)
			}
		case stepStruct:
			w.findAddresses(f, s.inner)
		case stepPointer:
			if !f.IsNil() {
				w.findAddresses(f.Elem(), s.inner)
			}
		case stepSlice:
			for k := range f.Len() {
				w.findAddresses(f.Index(k), s.inner)
			}
		default:
		}
	}
}

// findUsers learns the users of an event.
func (w *walk) findUsers(e *Event) {
	w.learnUser(e.User)
	if e.Connect != nil {
		w.learnUser(e.Connect.User)
	}
	if e.PPP != nil {
		w.learnUser(e.PPP.User)
		for _, text := range e.PPP.Identification {
			w.learnUser(computerName(text))
		}
	}
}

// redact redacts v. Of what v points to it makes copies first.
func (w *walk) redact(v reflect.Value, plan []step) {
	for i := range plan {
		s := &plan[i]
		f := v.Field(s.index)
		switch s.kind {
		case stepText:
			if was := f.String(); was != "" {
				if text := w.replace(was); text != was {
					f.SetString(text)
					w.did(s.name, false)
				}
			}
		case stepUser:
			w.redactUser(f, s)
		case stepTexts:
			w.redactTexts(f, s)
		case stepAddress:
			w.redactAddress(f, s)
		case stepAddresses:
			w.redactAddresses(f, s)
		case stepStruct:
			w.enter(s.name)
			w.redact(f, s.inner)
			w.leave()
		case stepPointer:
			w.redactPointer(f, s)
		case stepSlice:
			w.redactSlice(f, s)
		}
	}
}

func (w *walk) redactUser(f reflect.Value, s *step) {
	switch name := f.String(); {
	case name == "" || w.opts.Users == RedactKeep:
	case w.opts.Users == RedactRemove:
		f.SetString("")
		w.did(s.name, true)
	default:
		f.SetString(w.user(name))
		w.did(s.name, false)
	}
}

func (w *walk) redactTexts(f reflect.Value, s *step) {
	was := f.Interface().([]string)
	out := was
	w.enter(s.name)
	defer w.leave()
	for i := range was {
		text := w.replace(was[i])
		if text == was[i] {
			continue
		}
		if &out[0] == &was[0] {
			out = slices.Clone(was)
		}
		out[i] = text
		w.did(strconv.Itoa(i), false)
	}
	f.Set(reflect.ValueOf(out))
}

func (w *walk) redactAddress(f reflect.Value, s *step) {
	was := f.Interface().(netip.Addr)
	switch {
	case w.opts.Addresses == RedactKeep || stays(was):
	case w.opts.Addresses == RedactRemove && !s.required:
		f.SetZero()
		w.did(s.name, true)
	default:
		f.Set(reflect.ValueOf(w.address(was)))
		w.did(s.name, false)
	}
}

func (w *walk) redactAddresses(f reflect.Value, s *step) {
	was := f.Interface().([]netip.Addr)
	switch {
	case w.opts.Addresses == RedactKeep || len(was) == 0:
	case w.opts.Addresses == RedactRemove:
		f.SetZero()
		w.did(s.name, true)
	default:
		out := make([]netip.Addr, len(was))
		w.enter(s.name)
		for i, a := range was {
			out[i] = w.address(a)
			if out[i] != a {
				w.did(strconv.Itoa(i), false)
			}
		}
		w.leave()
		f.Set(reflect.ValueOf(out))
	}
}

func (w *walk) redactPointer(f reflect.Value, s *step) {
	if f.IsNil() {
		return
	}
	out := reflect.New(f.Type().Elem())
	out.Elem().Set(f.Elem())
	empty := out.Elem().IsZero()
	w.enter(s.name)
	w.redact(out.Elem(), s.inner)
	w.leave()
	if !empty && out.Elem().IsZero() {
		f.SetZero() // nothing is left of it
		return
	}
	f.Set(out)
}

func (w *walk) redactSlice(f reflect.Value, s *step) {
	if f.Len() == 0 {
		return
	}
	out := reflect.MakeSlice(f.Type(), f.Len(), f.Len())
	reflect.Copy(out, f)
	w.enter(s.name)
	for i := range out.Len() {
		w.enter(strconv.Itoa(i))
		w.redact(out.Index(i), s.inner)
		w.leave()
	}
	w.leave()
	f.Set(out)
}
