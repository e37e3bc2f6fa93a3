package inspect

import (
	"fmt"
	"strings"

	"sstpwarden/inspect/httphead"
)

// A matcher asks one part of a rule's condition. The detail is what was seen,
// for people.
type matcher interface {
	match(f *Flow) (detail string, ok bool)
}

// A passing matcher asks about a place that is over at some time: from then on
// it cannot hold.
type passing interface {
	passed(f *Flow) bool
}

// A holding matcher changes how the flow is read when its rule holds.
type holding interface {
	held(f *Flow)
}

type streamMatcher struct{ StreamMatch }

// counts says that it asks about records.
func (m *StreamMatch) counts() bool { return m.ServerFirst || m.Records != nil || m.Bytes != nil }

// passed: the first turn stays the first.
func (m streamMatcher) passed(f *Flow) bool {
	return m.ServerFirst && len(f.dialogue.turns) > 0 && f.dialogue.turns[0].from == ClientToServer
}

func (m streamMatcher) match(f *Flow) (string, bool) {
	o := &f.obs
	if m.Protocol != "" && o.Protocol != m.Protocol {
		return "", false
	}
	if m.ServerFirst && (!o.Seen[0] || len(f.dialogue.turns) == 0 || f.dialogue.turns[0].from != ServerToClient) {
		return "", false
	}
	var detail string
	if m.Records != nil || m.Bytes != nil {
		if o.TLS == nil || o.Midstream {
			return "", false
		}
		n, bytes := f.dialogue.records, f.dialogue.bytes
		if m.Records != nil && !m.Records.Match(Size{n, n}) || m.Bytes != nil && !m.Bytes.Match(Size{bytes, bytes}) {
			return "", false
		}
		detail = fmt.Sprintf("%d records", n)
	}
	if m.Exchanges != nil {
		if o.HTTP == nil || !m.Exchanges.Match(Size{o.HTTP.Exchanges, o.HTTP.Exchanges}) {
			return "", false
		}
		detail = fmt.Sprintf("%d requests", o.HTTP.Exchanges)
	}
	return detail, true
}

// headMatcher asks about a CONNECT's head, or about one read in clear.
type headMatcher struct {
	HeadMatch
	connect bool
}

func (m headMatcher) match(f *Flow) (string, bool) {
	var req *httphead.Request
	var resp *httphead.Response
	if m.connect {
		c := f.obs.Connect
		if c == nil || m.Tunnel && !c.Tunnel {
			return "", false
		}
		req, resp = &c.Request, c.Response
	} else {
		if f.obs.HTTP == nil {
			return "", false
		}
		req, resp = f.obs.HTTP.Request, f.obs.HTTP.Response
	}
	var details []string
	if m.asksRequest() {
		if req == nil {
			return "", false
		}
		d, ok := m.matchRequest(req)
		if !ok {
			return "", false
		}
		details = append(details, d...)
	}
	if m.asksResponse() {
		if resp == nil {
			return "", false
		}
		d, ok := m.matchResponse(resp)
		if !ok {
			return "", false
		}
		details = append(details, d...)
	}
	return strings.Join(details, ", "), true
}

func (m *HeadMatch) asksRequest() bool {
	return m.Method != nil || m.Path != nil || m.ContentLength != nil || m.Header != nil || m.HeaderOrder != nil
}

func (m *HeadMatch) asksResponse() bool {
	return m.Status != nil || m.Server != nil || m.ResponseOrder != nil || m.Reason != nil
}

func (m *HeadMatch) matchRequest(req *httphead.Request) (details []string, ok bool) {
	if m.Method != nil {
		if !anyFold(m.Method, req.Method) {
			return nil, false
		}
		details = append(details, req.Method)
	}
	if m.Path != nil {
		path, _, _ := strings.Cut(req.Target, "?")
		if !anyFold(m.Path, path) {
			return nil, false
		}
		details = append(details, path)
	}
	if m.ContentLength != nil {
		n, ok, err := req.Fields.ContentLength()
		if err != nil || !ok || n != *m.ContentLength {
			return nil, false
		}
		details = append(details, fmt.Sprintf("Content-Length %d", n))
	}
	if m.Header != nil {
		name, value, ok := m.matchHeader(req)
		if !ok {
			return nil, false
		}
		details = append(details, name+": "+value)
	}
	if m.HeaderOrder != nil && !anyExact(m.HeaderOrder, fieldOrder(req.Fields)) {
		return nil, false
	}
	return details, true
}

func (m *HeadMatch) matchHeader(req *httphead.Request) (name, value string, ok bool) {
	for i := range req.Fields {
		for _, want := range m.Header {
			if !httphead.SameName(req.Fields[i].Name, want) {
				continue
			}
			n := len(req.Fields[i].Value)
			if (m.Value == nil || anyGlob(m.Value, req.Fields[i].Value)) && (m.ValueLength == nil || m.ValueLength.Match(Size{n, n})) {
				return req.Fields[i].Name, req.Fields[i].Value, true
			}
		}
	}
	return "", "", false
}

func (m *HeadMatch) matchResponse(resp *httphead.Response) (details []string, ok bool) {
	if m.Status != nil {
		if !m.Status.Match(Size{resp.Status, resp.Status}) {
			return nil, false
		}
		details = append(details, fmt.Sprintf("status %d", resp.Status))
	}
	if m.Reason != nil && *m.Reason != resp.Reason {
		return nil, false
	}
	if m.Server != nil {
		server := resp.Fields.Get("Server")
		if !anyGlob(m.Server, server) {
			return nil, false
		}
		details = append(details, "Server: "+server)
	}
	if m.ResponseOrder != nil && !anyExact(m.ResponseOrder, fieldOrder(resp.Fields)) {
		return nil, false
	}
	return details, true
}

func fieldOrder(fields []httphead.Field) string {
	var b strings.Builder
	for i := range fields {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(fields[i].Name)
	}
	return b.String()
}

func anyFold(list []string, s string) bool {
	for _, w := range list {
		if strings.EqualFold(w, s) {
			return true
		}
	}
	return false
}

func anyExact(list []string, s string) bool {
	for _, w := range list {
		if strings.ReplaceAll(w, " ", "") == s {
			return true
		}
	}
	return false
}

func anyGlob(list []string, s string) bool {
	for _, w := range list {
		if glob(strings.ToLower(w), strings.ToLower(s)) {
			return true
		}
	}
	return false
}

// glob says that s has the form of pattern, in which '*' stands for any text.
func glob(pattern, s string) bool {
	head, rest, star := strings.Cut(pattern, "*")
	if !strings.HasPrefix(s, head) {
		return false
	}
	if !star {
		return s == head
	}
	s = s[len(head):]
	for {
		part, tail, more := strings.Cut(rest, "*")
		if !more {
			return strings.HasSuffix(s, part)
		}
		i := strings.Index(s, part)
		if i < 0 {
			return false
		}
		s, rest = s[i+len(part):], tail
	}
}

// anyName is for host names: a name, a suffix that begins with a dot, or "-"
// for no name at all.
func anyName(list []string, name string) bool {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	for _, w := range list {
		w = strings.ToLower(w)
		switch {
		case w == "-":
			if name == "" {
				return true
			}
		case strings.HasPrefix(w, "."):
			if strings.HasSuffix(name, w) || name == w[1:] {
				return true
			}
		case w == name:
			return true
		}
	}
	return false
}
