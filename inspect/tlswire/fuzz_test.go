package tlswire_test

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sstpwarden/inspect/tlswire"
)

// checkError fails unless err is one of the errors that parsing may give.
func checkError(t *testing.T, err error, n int) {
	t.Helper()
	var syntax *tlswire.SyntaxError
	switch {
	case isEOF(err):
	case errors.As(err, &syntax) && syntax.Section != "" && syntax.Field != "" && 0 <= syntax.Offset && syntax.Offset <= n:
	default:
		t.Fatalf("%#v for %d bytes", err, n)
	}
}

func FuzzClientHello(f *testing.F) {
	for _, name := range []string{"sstpc_tls12", "sstpc_tls13", "rust_tls12", "curl", "chromium"} {
		f.Add(message(f, "client_hello_"+name))
	}
	f.Add(smallHello(f))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := tlswire.ParseClientHello(b)
		if err != nil {
			checkError(t, err, len(b))
			return
		}
		if !bytes.Equal(h.Append(nil), b) {
			t.Fatal("appended otherwise")
		}
		h.MaxVersion()
	})
}

func FuzzServerHello(f *testing.F) {
	for _, name := range []string{"softether_tls12", "accel_tls12", "nginx_tls13"} {
		f.Add(message(f, "server_hello_"+name))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := tlswire.ParseServerHello(b)
		if err != nil {
			checkError(t, err, len(b))
			return
		}
		if !bytes.Equal(h.Append(nil), b) {
			t.Fatal("appended otherwise")
		}
	})
}

func FuzzEncryptedExtensions(f *testing.F) {
	f.Add([]byte("\x00\x09\x00\x10\x00\x05\x00\x03\x02h2"))
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := tlswire.ParseEncryptedExtensions(b)
		if err != nil {
			checkError(t, err, len(b))
			return
		}
		if !bytes.Equal(e.Append(nil), b) {
			t.Fatal("appended otherwise")
		}
	})
}

func FuzzCertificate(f *testing.F) {
	b := message(f, "certificate_softether")
	f.Add(uint16(tlswire.VersionTLS12), b)
	c, err := tlswire.ParseCertificate(tlswire.VersionTLS12, b)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(uint16(tlswire.VersionTLS13), c.Append(tlswire.VersionTLS13, nil))
	f.Fuzz(func(t *testing.T, version uint16, b []byte) {
		v := tlswire.Version(version)
		c, err := tlswire.ParseCertificate(v, b)
		if err != nil {
			checkError(t, err, len(b))
			return
		}
		if !bytes.Equal(c.Append(v, nil), b) {
			t.Fatal("appended otherwise")
		}
		if traits := c.Traits(); (traits == nil) != (len(c.Entries) == 0) {
			t.Fatal("traits without a certificate, or none with one")
		}
	})
}

// chunks cuts b into pieces whose sizes are the bytes of cuts, over and over.
func chunks(b, cuts []byte) (pieces [][]byte) {
	for i := 0; len(b) > 0; i++ {
		n := 1
		if len(cuts) > 0 {
			n += int(cuts[i%len(cuts)])
		}
		n = min(n, len(b))
		pieces = append(pieces, b[:n])
		b = b[n:]
	}
	return pieces
}

func FuzzHandshake(f *testing.F) {
	var flight []byte
	for _, name := range []string{"server_hello_softether_tls12", "certificate_softether"} {
		flight = tlswire.Message{Type: tlswire.HandshakeServerHello, Body: message(f, name)}.Append(flight)
	}
	f.Add(flight, []byte{3, 50})
	f.Add([]byte("\x00\x00\x00\x00\x0e\x00\x00\x00\x01\x00"), []byte{})
	f.Fuzz(func(t *testing.T, b, cuts []byte) {
		collect := func(pieces ...[]byte) (out []tlswire.Message, broken bool) {
			var h tlswire.Handshake
			for _, p := range pieces {
				h.Feed(p, func(m tlswire.Message) {
					out = append(out, tlswire.Message{Type: m.Type, Body: bytes.Clone(m.Body)})
				})
			}
			return out, h.Broken()
		}
		want, broken := collect(b)
		got, cutBroken := collect(chunks(b, cuts)...)
		if diff := cmp.Diff(want, got, emptyIsNil); diff != "" || broken != cutBroken {
			t.Fatalf("broken %v, cut %v (-whole +cut):\n%s", broken, cutBroken, diff)
		}
		var again []byte
		for _, m := range want {
			again = m.Append(again)
		}
		if !bytes.HasPrefix(b, again) {
			t.Fatal("appended otherwise")
		}
	})
}

// FuzzStream feeds the same bytes whole and in pieces.
func FuzzStream(f *testing.F) {
	f.Add(session(f)[:4000], []byte{7, 200}, false, true)
	f.Add(slices.Concat(noise(50), encrypted(31), encrypted(14), encrypted(48)), []byte{}, true, false)
	f.Add([]byte("\x17\x03\x03\x00\x01\x00\x17\x03\x03\x00\x01\x00\xff\xff\x15\x03\x01\x00\x02\x01\x00"), []byte{1}, true, true)
	f.Fuzz(func(t *testing.T, b, cuts []byte, midstream, keep bool) {
		open := func() *tlswire.Stream {
			s := &tlswire.Stream{KeepApplicationData: keep}
			if midstream {
				s.Resync()
			}
			return s
		}
		pieces := chunks(b, cuts)
		if midstream {
			// Pieces that are shorter than a header cannot be records, which
			// end a search sooner than whole bytes do.
			pieces = slices.Collect(slices.Chunk(b, 1+len(cuts)%4))
		}
		whole, cut := open(), open()
		want := collect(whole, b)
		got := collect(cut, pieces...)
		if midstream && len(want) == 1 && tlswire.RecordHeaderLen+want[0].Length == len(b) {
			return // likewise
		}
		if diff := cmp.Diff(want, got, emptyIsNil); diff != "" {
			t.Fatalf("(-whole +cut):\n%s", diff)
		}
		if whole.Broken() != cut.Broken() {
			t.Fatalf("broken: whole %v, cut %v", whole.Broken(), cut.Broken())
		}
		n := 0
		for _, r := range want {
			n += tlswire.RecordHeaderLen + r.Length
			if r.Damaged || r.Fragment != nil && len(r.Fragment) != r.Length {
				t.Fatalf("%+v", r)
			}
		}
		if n > len(b) {
			t.Fatalf("%d bytes of records in %d bytes", n, len(b))
		}
	})
}

// FuzzStreamLoss leaves bytes out.
func FuzzStreamLoss(f *testing.F) {
	f.Add(session(f)[:4000], []byte{7, 200}, []byte{0, 0, 5})
	f.Add(bytes.Repeat(encrypted(60), 40), []byte{90}, []byte{0, 90})
	f.Fuzz(func(t *testing.T, b, cuts, losses []byte) {
		var s tlswire.Stream
		n := 0
		for i, p := range chunks(b, cuts) {
			missing := 0
			if len(losses) > 0 {
				missing = int(losses[i%len(losses)])
			}
			s.Feed(p, missing, func(r tlswire.Record) {
				if r.Damaged && r.Fragment != nil || r.Fragment != nil && len(r.Fragment) != r.Length {
					t.Fatalf("%+v", r)
				}
				n++
			})
		}
		if n > len(b) {
			t.Fatalf("%d records in %d bytes", n, len(b))
		}
	})
}
