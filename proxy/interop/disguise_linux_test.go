package interop

import (
	"fmt"
	"testing"
)

// disguises are what a client can do to look like something else: flags of sstplab.
var disguises = [][]string{
	{"--fault", "fragment-hello=1"},
	{"--fault", "fragment-hello=100"},
	{"--fault", "fragment-hello-records=40"},
	{"--fault", "reserved-bits"},
	{"--fault", "never-connected"},
	{"--fault", "split-header"},
	{"--fault", "split=20"},
	{"--fault", "split=1+13+100"},
	{"--fault", "join=40"},
	{"--fault", "join=1000"},
	{"--fault", "delay=call_connect_request:300ms"},
	{"--sni", "www.example.com"},
	{"--no-sni"},
	{"--mtu", "600"},
}

// None of them gets a tunnel through.
func TestSSTPDisguised(t *testing.T) {
	t.Parallel()
	for _, w := range sstpWays[1:3] {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			s := newSSTPLab(newLab(t), w)
			plain := s.more
			for _, v := range []*vpn{s.vpn(vpns[0]), s.vpn(vpns[3])} {
				for _, d := range disguises {
					s.more = append(plain, d...)
					s.endsBefore(v, "windows", beforeResponse, fmt.Sprint(d))
				}
			}
		})
	}
}
