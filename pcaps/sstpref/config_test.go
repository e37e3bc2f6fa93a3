package sstpref

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
)

// What an end cannot do without is asked for before anything is done.
func TestConfigs(t *testing.T) {
	carry := func(Up, Tunnel) (Port, error) { return &inner{}, nil }
	for _, tt := range []struct {
		name string
		run  func() error
		want string
	}{
		{"no host", func() error { _, err := Dial(t.Context(), ClientConfig{Carry: carry}); return err }, "no host"},
		{"nothing to carry packets", func() error { _, err := Dial(t.Context(), ClientConfig{Host: "x"}); return err }, "nothing to carry packets"},
		{"no certificate", func() error { _, err := NewServer(ServerConfig{Assign: (&rig{}).assign}); return err }, "no certificate"},
		{"no addresses", func() error { _, err := NewServer(ServerConfig{TLS: ServerTLS(rigRSA(), 0, 0)}); return err }, "no addresses"},
	} {
		if err := tt.run(); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v", tt.name, err)
		}
	}
}

func TestLookTLS(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want string
	}{
		{fmt.Errorf("writing: %w", syscall.EPIPE), "something on the way may cut TLS"},
		{fmt.Errorf("remote error: tls: bad record MAC"), "encrypt-then-MAC"},
		{fmt.Errorf("tls: first record does not look like a TLS handshake"), "does not speak TLS"},
		{fmt.Errorf("another"), ""},
	} {
		if got := lookTLS(tt.err); (got == "") != (tt.want == "") || !strings.Contains(got, tt.want) {
			t.Errorf("%v: got %q, want %q", tt.err, got, tt.want)
		}
	}
}
