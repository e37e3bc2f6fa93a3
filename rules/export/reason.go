package export

import (
	"strings"

	"sstpwarden/inspect"
)

// parts names what a match asks about.
func parts(m *inspect.Match) []string {
	var out []string
	for _, p := range []struct {
		given bool
		name  string
	}{
		{m.Stream != nil, "stream"},
		{m.Connect != nil, "connect"},
		{m.HTTP != nil, "http"},
		{m.Hello != nil, "hello"},
		{m.Certificate != nil, "certificate"},
		{m.Dialogue != nil, "dialogue"},
		{m.Run != nil, "run"},
		{m.Mirrored != nil, "mirrored"},
		{m.Idle != nil, "idle"},
		{m.SSTP != nil, "sstp"},
		{m.Destination != nil, "destination"},
	} {
		if p.given {
			out = append(out, p.name)
		}
	}
	return out
}

// tellsNothing gives the reason for leaving a rule out of an engine that adds
// nothing up; "" where there is none.
func tellsNothing(r *inspect.Rule) string {
	switch {
	case r.Proof || r.Weight > 0:
		return ""
	case r.Weight < 0:
		return "speaks against SSTP, which is of use only where weights are added up"
	case len(r.TakesBack) > 0:
		return takesBack
	}
	return "weighs nothing"
}

// takesBack says why no rule that takes others back is there.
const takesBack = "takes back what other rules weigh, as far as they held"

// beyond gives the reason for leaving a rule out that no engine can express; ""
// where there is none.
func beyond(r *inspect.Rule) string {
	m := &r.Match
	p := parts(m)
	switch {
	case len(p) > 1:
		return "asks about " + strings.Join(p, " and ") + " together, which no one rule here can"
	case len(r.TakesBack) > 0:
		return takesBack
	case m.Dialogue != nil && len(m.Dialogue.Inside) > 0:
		return sizes + ", of another TLS inside"
	case m.Destination != nil:
		return "asks about other connections to the same server"
	case m.Stream != nil:
		return "asks about the connection as a whole"
	case m.Mirrored != nil:
		return "compares the lengths of what both sides send"
	case m.Idle != nil:
		return "asks for short exchanges on a quiet connection, which takes following its times and lengths"
	}
	return ""
}

// sizes says why no rule about the sizes of records is there.
const sizes = "asks for the sizes of TLS records in their order"

// certificates says why no rule about certificates is there.
const certificates = "asks about the certificate, which this engine takes nothing from"

// beyondHead gives what a match of heads asks for beyond what the request line of a
// CONNECT and the other heads have: "" for nothing.
func beyondHead(m *inspect.HeadMatch) string {
	if m.Tunnel {
		return "asks whether bytes went through the tunnel"
	}
	return ""
}

func asksRequest(m *inspect.HeadMatch) bool {
	return m.Method != nil || m.Path != nil || m.ContentLength != nil || m.Header != nil || m.HeaderOrder != nil
}

func asksResponse(m *inspect.HeadMatch) bool {
	return m.Status != nil || m.Server != nil || m.ResponseOrder != nil || m.Reason != nil
}
