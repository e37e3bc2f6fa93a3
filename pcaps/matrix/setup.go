package matrix

import (
	"math/rand/v2"
	"time"

	"sstpwarden/inspect/httphead"
)

// stream is a source of numbers of its own: ends run side by side, and a shared one
// would give each what the other leaves.
func (s *Setup) stream(n uint64) *rand.Rand { return rand.New(rand.NewPCG(s.Rand.Uint64(), n)) }

// request edits the head that opens SSTP.
func (s *Setup) request(edit func(*httphead.Request)) {
	inner := s.Client.Profile.Request
	s.Client.Profile.Request = func(host string, port uint16, id [16]byte, path string) httphead.Request {
		r := inner(host, port, id, path)
		edit(&r)
		return r
	}
}

// response edits the head that accepts it.
func (s *Setup) response(edit func(*httphead.Response)) {
	inner := s.Server.Profile.Response
	s.Server.Profile.Response = func(now time.Time) httphead.Response {
		r := inner(now)
		edit(&r)
		return r
	}
}

// requestHost sets Host, where the profile sends one.
func (s *Setup) requestHost(host string) {
	s.request(func(r *httphead.Request) {
		for i := range r.Fields {
			if r.Fields[i].Name == "Host" {
				r.Fields[i].Value = host
			}
		}
	})
}

// dropField leaves a field of the request out.
func (s *Setup) dropField(name string) {
	s.request(func(r *httphead.Request) {
		var kept httphead.Fields
		for _, f := range r.Fields {
			if f.Name != name {
				kept = append(kept, f)
			}
		}
		r.Fields = kept
	})
}
