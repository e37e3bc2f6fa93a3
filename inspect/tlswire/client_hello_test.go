package tlswire_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"sstpwarden/inspect/tlswire"
)

// smallHello is one with everything in it that is decoded.
func smallHello(t testing.TB) []byte {
	return unhex(t,
		"0303", strings.Repeat("11", 32), // legacy_version, random
		"02 abcd",             // legacy_session_id
		"0006 1a1a 1301 00ff", // cipher_suites
		"01 00",               // legacy_compression_methods
		"008b",                // extensions
		"2a2a 0000",
		"0000 0010 000e 00 000b", hex.EncodeToString([]byte("vpn.example")),
		"0005 0005 01 0000 0000",
		"000a 0006 0004 1a1a 001d",
		"000b 0002 01 00",
		"000d 0006 0004 0403 0804",
		"0010 000e 000c 02 6832 08 687474702f312e31",
		"0016 0000",
		"0017 0000",
		"0023 0003 010203",
		"0029 0002 0000",
		"002a 0000",
		"002b 0005 04 3a3a 0304",
		"0033 000e 000c 1a1a 0001 00 001d 0003 aabbcc",
		"fe0d 0001 00",
		"4469 0001 01",
	)
}

func TestClientHello(t *testing.T) {
	b := smallHello(t)
	want := &tlswire.ClientHello{
		Version:            tlswire.VersionTLS12,
		Random:             [32]byte(bytes.Repeat([]byte{0x11}, 32)),
		SessionID:          []byte{0xAB, 0xCD},
		CipherSuites:       []tlswire.CipherSuite{0x1A1A, 0x1301, 0x00FF},
		CompressionMethods: []uint8{0},

		ServerName:           "vpn.example",
		ALPN:                 []string{"h2", "http/1.1"},
		SupportedVersions:    []tlswire.Version{0x3A3A, tlswire.VersionTLS13},
		SupportedGroups:      []tlswire.NamedGroup{0x1A1A, 0x001D},
		ECPointFormats:       []uint8{0},
		SignatureAlgorithms:  []tlswire.SignatureScheme{0x0403, 0x0804},
		KeyShares:            []tlswire.NamedGroup{0x1A1A, 0x001D},
		SessionTicket:        []byte{1, 2, 3},
		EncryptThenMAC:       true,
		ExtendedMasterSecret: true,
		StatusRequest:        true,
		PreSharedKey:         true,
		EarlyData:            true,
		ECH:                  true,
	}
	got, err := tlswire.ParseClientHello(b)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(tlswire.ClientHello{}, "Extensions")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(b, got.Append(nil)); diff != "" {
		t.Errorf("appended (-want +got):\n%s", diff)
	}
	if got.MaxVersion() != tlswire.VersionTLS13 {
		t.Errorf("MaxVersion() = %s", got.MaxVersion())
	}
	if data, ok := got.Extension(0x4469); !ok || !bytes.Equal(data, []byte{1}) {
		t.Errorf("extension 0x4469: %x, %v", data, ok)
	}
	if data, ok := got.Extension(tlswire.ExtensionPadding); ok {
		t.Errorf("padding: %x", data)
	}
}

// A proper prefix is a prefix of something valid, but for the one that is a
// hello without extensions.
func TestClientHelloPrefixes(t *testing.T) {
	b := smallHello(t)
	bare := 2 + 32 + 3 + 8 + 2
	for i := range b {
		h, err := tlswire.ParseClientHello(b[:i])
		switch {
		case i == bare && (err != nil || h.Extensions != nil):
			t.Errorf("without extensions: %v", err)
		case i != bare && !isEOF(err):
			t.Errorf("%d bytes: %v", i, err)
		}
	}
}

func TestClientHelloWithoutExtensions(t *testing.T) {
	for name, tail := range map[string]string{"no block": "", "empty block": "0000"} {
		b := unhex(t, "0300", strings.Repeat("22", 32), "00", "0002 0005", "01 00", tail)
		h, err := tlswire.ParseClientHello(b)
		if err != nil {
			t.Fatal(err)
		}
		if h.MaxVersion() != tlswire.VersionSSL30 || len(h.Extensions) != 0 || (h.Extensions == nil) != (tail == "") {
			t.Errorf("%s: %+v", name, h)
		}
		if !bytes.Equal(h.Append(nil), b) {
			t.Errorf("%s: appended otherwise", name)
		}
	}
}

func TestClientHelloErrors(t *testing.T) {
	head := "0303" + strings.Repeat("11", 32)
	for _, tt := range []struct {
		name   string
		b      []byte
		field  string
		offset int
		value  any
	}{
		{"version", unhex(t, "0203"), "legacy_version", 0, tlswire.Version(0x0203)},
		{"session id", unhex(t, head, "21"), "legacy_session_id length", 34, byte(33)},
		{"half a suite", unhex(t, head, "00 0003 130113"), "cipher_suites", 39, nil},
		{"extension cut", unhex(t, head, "00 0002 1301 01 00 0003 000a 00"), "extension_data", 45, nil},
		{"extension too long", unhex(t, head, "00 0002 1301 01 00 0004 000a 0001"), "extension_data length", 45, 1},
		{"trailing", unhex(t, head, "00 0002 1301 01 00 0000 ff"), "trailing bytes", 43, 1},
	} {
		_, err := tlswire.ParseClientHello(tt.b)
		var got *tlswire.SyntaxError
		if !errors.As(err, &got) {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		want := tlswire.SyntaxError{Section: "RFC 8446, Section 4.1.2", Field: tt.field, Offset: tt.offset, Value: tt.value}
		if diff := cmp.Diff(want, *got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
	_, err := tlswire.ParseClientHello(unhex(t, head, "00 0002 1301 01 00 0003 000a 00"))
	if want := "tlswire: extension_data at offset 45 does not fit (RFC 8446, Section 4.1.2)"; err.Error() != want {
		t.Error(err)
	}
}

// withExtensions parses a hello that has just these extensions.
func withExtensions(t *testing.T, list ...tlswire.Extension) *tlswire.ClientHello {
	t.Helper()
	h := &tlswire.ClientHello{
		Version: tlswire.VersionTLS12, CipherSuites: []tlswire.CipherSuite{0x1301},
		CompressionMethods: []uint8{0}, Extensions: list,
	}
	b := h.Append(nil)
	h, err := tlswire.ParseClientHello(b)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(h.Append(nil), b) {
		t.Error("appended otherwise")
	}
	return h
}

func TestClientHelloMalformedExtensions(t *testing.T) {
	for _, tt := range []struct {
		t    tlswire.ExtensionType
		data string
	}{
		{tlswire.ExtensionServerName, ""},
		{tlswire.ExtensionServerName, "0004 00 0002 61"},
		{tlswire.ExtensionServerName, "0004 00 0001 61 ff"},
		{tlswire.ExtensionALPN, "0003 03 6832"},
		{tlswire.ExtensionSupportedVersions, "03 030403"},
		{tlswire.ExtensionSupportedGroups, "0002 001d 00"},
		{tlswire.ExtensionECPointFormats, "02 00"},
		{tlswire.ExtensionSignatureAlgorithms, "0001 04"},
		{tlswire.ExtensionKeyShare, "0004 001d 0001"},
		{tlswire.ExtensionEncryptThenMAC, "00"},
		{tlswire.ExtensionExtendedMasterSecret, "00"},
		{tlswire.ExtensionEarlyData, "00000000"},
	} {
		h := withExtensions(t, tlswire.Extension{Type: tt.t, Data: unhex(t, tt.data)})
		if !slices.Equal(h.Malformed, []tlswire.ExtensionType{tt.t}) {
			t.Errorf("%s %q: malformed %v", tt.t, tt.data, h.Malformed)
		}
	}
}

// Of duplicates the first one counts, and all are kept.
func TestClientHelloDuplicates(t *testing.T) {
	name := func(s string) tlswire.Extension {
		return tlswire.Extension{
			Type: tlswire.ExtensionServerName,
			Data: slices.Concat([]byte{0, byte(len(s) + 3), 0, 0, byte(len(s))}, []byte(s)),
		}
	}
	h := withExtensions(t, name("first"), name("second"))
	if h.ServerName != "first" || len(h.Extensions) != 2 ||
		!slices.Equal(h.Malformed, []tlswire.ExtensionType{tlswire.ExtensionServerName}) {
		t.Errorf("%+v", h)
	}
	// Of several names in one extension as well; types other than host_name
	// are passed over.
	h = withExtensions(t, tlswire.Extension{Data: unhex(t, "000c 01 0001 78 00 0001 61 00 0001 62")})
	if h.ServerName != "a" || len(h.Malformed) != 0 {
		t.Errorf("%+v", h)
	}
}

func TestClientHelloVersions(t *testing.T) {
	for data, want := range map[string]tlswire.Version{
		"04 3a3a 0302": tlswire.VersionTLS11, // GREASE does not count
		"02 3a3a":      tlswire.VersionTLS12, // nothing is left
		"00":           tlswire.VersionTLS12,
	} {
		h := withExtensions(t, tlswire.Extension{Type: tlswire.ExtensionSupportedVersions, Data: unhex(t, data)})
		if got := h.MaxVersion(); got != want {
			t.Errorf("%s: %s, want %s", data, got, want)
		}
	}
}

func TestSessionTicket(t *testing.T) {
	if h := withExtensions(t); h.SessionTicket != nil {
		t.Error("a ticket without the extension")
	}
	h := withExtensions(t, tlswire.Extension{Type: tlswire.ExtensionSessionTicket})
	if h.SessionTicket == nil || len(h.SessionTicket) != 0 {
		t.Errorf("asked for a ticket: %v", h.SessionTicket)
	}
}

func TestIsGREASE(t *testing.T) {
	var got []uint16
	for v := range 1 << 16 {
		if tlswire.IsGREASE(uint16(v)) {
			got = append(got, uint16(v))
		}
	}
	want := []uint16{ // RFC 8701, Section 2
		0x0A0A, 0x1A1A, 0x2A2A, 0x3A3A, 0x4A4A, 0x5A5A, 0x6A6A, 0x7A7A,
		0x8A8A, 0x9A9A, 0xAAAA, 0xBABA, 0xCACA, 0xDADA, 0xEAEA, 0xFAFA,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Hellos of real programs, with what tshark 4.0 reads in them.
func TestClientHelloCaptured(t *testing.T) {
	type facts struct {
		Name          string
		ALPN          []string
		Versions      []tlswire.Version
		KeyShares     []tlswire.NamedGroup
		Suites, Exts  int
		ECH, PSK, EtM bool
	}
	tls13to10 := []tlswire.Version{0x0304, 0x0303, 0x0302, 0x0301}
	for name, want := range map[string]facts{
		"client_hello_sstpc_tls12": {Suites: 27, Exts: 6, EtM: true},
		"client_hello_sstpc_tls13": {
			Name: "vpn.example.test:9446", Versions: []tlswire.Version{0x0304},
			KeyShares: []tlswire.NamedGroup{29}, Suites: 4, Exts: 10, EtM: true,
		},
		"client_hello_rust_tls12": {
			Name: "10.9.0.1", Versions: tls13to10,
			KeyShares: []tlswire.NamedGroup{29}, Suites: 31, Exts: 11, EtM: true,
		},
		"client_hello_curl": {
			Name: "www.example.test", ALPN: []string{"h2", "http/1.1"}, Versions: tls13to10,
			KeyShares: []tlswire.NamedGroup{29}, Suites: 31, Exts: 12, EtM: true,
		},
		"client_hello_chromium": {
			Name: "www.example.test", ALPN: []string{"h2", "http/1.1"}, Versions: []tlswire.Version{0x4A4A, 0x0304, 0x0303},
			KeyShares: []tlswire.NamedGroup{60138, 4588, 29}, Suites: 16, Exts: 19, ECH: true,
		},
	} {
		b := message(t, name)
		h, err := tlswire.ParseClientHello(b)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got := facts{
			h.ServerName, h.ALPN, h.SupportedVersions, h.KeyShares,
			len(h.CipherSuites), len(h.Extensions), h.ECH, h.PreSharedKey, h.EncryptThenMAC,
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if !bytes.Equal(h.Append(nil), b) {
			t.Errorf("%s: appended otherwise", name)
		}
		if len(h.Malformed) > 0 {
			t.Errorf("%s: malformed %v", name, h.Malformed)
		}
	}
}

// What Go's own client sends, over 1,500 bytes with its post-quantum share.
func TestClientHelloOfGo(t *testing.T) {
	client, server := net.Pipe()
	defer client.Close()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		config := &tls.Config{ServerName: "vpn.example", NextProtos: []string{"http/1.1"}}
		if err := tls.Client(client, config).HandshakeContext(ctx); err == nil {
			t.Error("a handshake without a server")
		}
	}()
	var hello *tlswire.ClientHello
	var s tlswire.Stream
	var h tlswire.Handshake
	b := make([]byte, 100)
	for hello == nil && !s.Broken() && !h.Broken() {
		n, err := server.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		s.Feed(b[:n], 0, func(r tlswire.Record) {
			h.Feed(r.Fragment, func(m tlswire.Message) {
				var err error
				if hello, err = tlswire.ParseClientHello(m.Body); err != nil {
					t.Error(err)
				}
			})
		})
	}
	cancel()
	server.Close()
	<-done
	if hello == nil {
		t.Fatal("no hello")
	}
	if hello.ServerName != "vpn.example" || !slices.Equal(hello.ALPN, []string{"http/1.1"}) ||
		hello.MaxVersion() != tlswire.VersionTLS13 || !hello.ExtendedMasterSecret ||
		!slices.Contains(hello.KeyShares, 0x11EC) || len(hello.Append(nil)) < 1400 {
		t.Errorf("%+v", hello)
	}
}
