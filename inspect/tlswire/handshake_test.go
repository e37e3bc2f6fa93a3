package tlswire_test

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sstpwarden/inspect/tlswire"
)

func TestMessage(t *testing.T) {
	for _, tt := range []struct {
		name string
		b    []byte
		want tlswire.Message
	}{
		{"empty", unhex(t, "0e 000000"), tlswire.Message{Type: tlswire.HandshakeServerHelloDone, Body: []byte{}}},
		{"hello request", unhex(t, "00 000000"), tlswire.Message{Type: tlswire.HandshakeHelloRequest, Body: []byte{}}},
		{"body", unhex(t, "14 000003 010203"), tlswire.Message{Type: tlswire.HandshakeFinished, Body: []byte{1, 2, 3}}},
		{
			"longest", slices.Concat(unhex(t, "0b 020000"), make([]byte, tlswire.MaxMessageLen)),
			tlswire.Message{Type: tlswire.HandshakeCertificate, Body: make([]byte, tlswire.MaxMessageLen)},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, n, err := tlswire.ParseMessage(append(tt.b, 0xFF))
			if err != nil || n != len(tt.b) {
				t.Fatalf("%d bytes, %v", n, err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("parsed (-want +got):\n%s", diff)
			}
			if !bytes.Equal(tt.want.Append(nil), tt.b) {
				t.Error("appended otherwise")
			}
			for i := range min(len(tt.b), 300) {
				if _, _, err := tlswire.ParseMessage(tt.b[:i]); !isEOF(err) {
					t.Fatalf("%d bytes: %v", i, err)
				}
			}
		})
	}
}

func TestMessageErrors(t *testing.T) {
	const section = "RFC 8446, Section 4"
	for _, tt := range []struct {
		name string
		b    []byte
		want tlswire.SyntaxError
	}{
		{"type", unhex(t, "03"), tlswire.SyntaxError{Section: section, Field: "msg_type", Value: byte(3)}},
		{"reserved type", unhex(t, "ff000000"), tlswire.SyntaxError{Section: section, Field: "msg_type", Value: byte(255)}},
		{"too long", unhex(t, "0b020001"), tlswire.SyntaxError{Section: section, Field: "length", Offset: 1, Value: 0x020001}},
		{"surely too long", unhex(t, "0b03"), tlswire.SyntaxError{Section: section, Field: "length", Offset: 1, Value: 0x030000}},
		{"hello request", unhex(t, "00000001"), tlswire.SyntaxError{Section: section, Field: "length", Offset: 1, Value: 1}},
	} {
		_, _, err := tlswire.ParseMessage(tt.b)
		var got *tlswire.SyntaxError
		if !errors.As(err, &got) {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if diff := cmp.Diff(tt.want, *got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

func TestMessageAppendPanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("16 MiB were appended")
		}
	}()
	tlswire.Message{Body: make([]byte, 1<<24)}.Append(nil)
}

func TestHandshake(t *testing.T) {
	want := []tlswire.Message{
		{Type: tlswire.HandshakeServerHello, Body: message(t, "server_hello_softether_tls12")},
		{Type: tlswire.HandshakeCertificate, Body: message(t, "certificate_softether")},
		{Type: tlswire.HandshakeServerHelloDone, Body: []byte{}},
	}
	var b []byte
	for _, m := range want {
		b = m.Append(b)
	}
	for _, size := range []int{1, 2, 3, 4, 5, 89, 90, 500, len(b)} {
		var h tlswire.Handshake
		var got []tlswire.Message
		for p := range slices.Chunk(bytes.Clone(b), size) {
			h.Feed(p, func(m tlswire.Message) {
				got = append(got, tlswire.Message{Type: m.Type, Body: bytes.Clone(m.Body)})
			})
			clear(p) // the fragment is the caller's again
		}
		if diff := cmp.Diff(want, got, emptyIsNil); diff != "" {
			t.Errorf("fragments of %d bytes (-want +got):\n%s", size, diff)
		}
		if h.Broken() {
			t.Errorf("fragments of %d bytes: broken", size)
		}
	}
}

// The Finished of a TLS 1.2 client, encrypted with AES-GCM: its explicit nonce
// looks like two empty messages, the rest like nothing.
func TestHandshakeEncrypted(t *testing.T) {
	var h tlswire.Handshake
	var got []tlswire.HandshakeType
	emit := func(m tlswire.Message) { got = append(got, m.Type) }
	h.Feed(unhex(t, "0000000000000000 b5c1d2a4f9a93c77014bb5a07abf70d1e2d7c6ccfc0f55ed2ac3f7bd5e4d3a11"), emit)
	if !h.Broken() {
		t.Error("not broken")
	}
	h.Feed(tlswire.Message{Type: tlswire.HandshakeServerHelloDone}.Append(nil), emit)
	want := []tlswire.HandshakeType{tlswire.HandshakeHelloRequest, tlswire.HandshakeHelloRequest}
	if !slices.Equal(got, want) {
		t.Errorf("%v", got)
	}
}

func TestHandshakeLose(t *testing.T) {
	var h tlswire.Handshake
	var got []tlswire.HandshakeType
	emit := func(m tlswire.Message) { got = append(got, m.Type) }
	h.Feed(unhex(t, "0b 000400 0000"), emit) // the rest of it is lost
	h.Lose()
	h.Feed(unhex(t, "0e 000000"), emit)
	if want := []tlswire.HandshakeType{tlswire.HandshakeServerHelloDone}; !slices.Equal(got, want) || h.Broken() {
		t.Errorf("%v, broken %v", got, h.Broken())
	}
}
