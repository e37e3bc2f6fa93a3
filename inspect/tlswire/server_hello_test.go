package tlswire_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"sstpwarden/inspect/tlswire"
)

func TestServerHello(t *testing.T) {
	retry := sha256.Sum256([]byte("HelloRetryRequest")) // RFC 8446, Section 4.1.3
	ignore := cmpopts.IgnoreFields(tlswire.ServerHello{}, "Extensions")
	for _, tt := range []struct {
		name string
		b    []byte
		bare int // length up to where extensions may begin
		want tlswire.ServerHello
	}{
		{
			"TLS 1.2", unhex(t, "0303", strings.Repeat("33", 32), "01 77", "c02f", "00", "001f",
				"0005 0000  000b 0002 0100  0010 0005 0003 02 6832  0016 0000  0017 0000  0023 0000"), 39,
			tlswire.ServerHello{
				Version: tlswire.VersionTLS12, Random: [32]byte(bytes.Repeat([]byte{0x33}, 32)), SessionID: []byte{0x77},
				CipherSuite: 0xC02F, NegotiatedVersion: tlswire.VersionTLS12,
				ALPN: "h2", EncryptThenMAC: true, ExtendedMasterSecret: true, SessionTicket: true, StatusRequest: true,
			},
		},
		{
			"TLS 1.3 resumed", unhex(t, "0303", strings.Repeat("33", 32), "00", "1302", "00", "0015",
				"002b 0002 0304  0033 0005 001d 0001 aa  0029 0002 0000"), 38,
			tlswire.ServerHello{
				Version: tlswire.VersionTLS12, Random: [32]byte(bytes.Repeat([]byte{0x33}, 32)), SessionID: []byte{},
				CipherSuite: 0x1302, NegotiatedVersion: tlswire.VersionTLS13, KeyShare: 29, PreSharedKey: true,
			},
		},
		{
			"retry", slices.Concat(unhex(t, "0303"), retry[:], unhex(t, "00", "1301", "00", "000c", "002b 0002 0304  0033 0002 0017")), 38,
			tlswire.ServerHello{
				Version: tlswire.VersionTLS12, Random: retry, SessionID: []byte{},
				CipherSuite: 0x1301, NegotiatedVersion: tlswire.VersionTLS13, KeyShare: 23, HelloRetryRequest: true,
			},
		},
		{
			"malformed", unhex(t, "0301", strings.Repeat("33", 32), "00", "0035", "01", "000f",
				"0010 0006 0004 01 61 01 62  002b 0001 03"), 38,
			tlswire.ServerHello{
				Version: tlswire.VersionTLS10, Random: [32]byte(bytes.Repeat([]byte{0x33}, 32)), SessionID: []byte{},
				CipherSuite: 0x0035, CompressionMethod: 1, NegotiatedVersion: tlswire.VersionTLS10,
				Malformed: []tlswire.ExtensionType{tlswire.ExtensionALPN, tlswire.ExtensionSupportedVersions},
			},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tlswire.ParseServerHello(tt.b)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(&tt.want, got, ignore); diff != "" {
				t.Errorf("parsed (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.b, got.Append(nil)); diff != "" {
				t.Errorf("appended (-want +got):\n%s", diff)
			}
			for i := range tt.b {
				_, err := tlswire.ParseServerHello(tt.b[:i])
				if i == tt.bare && err != nil || i != tt.bare && !isEOF(err) {
					t.Errorf("%d bytes: %v", i, err)
				}
			}
			if _, ok := got.Extension(tlswire.ExtensionPadding); ok {
				t.Error("padding")
			}
		})
	}
}

func TestServerHelloErrors(t *testing.T) {
	for name, b := range map[string][]byte{
		"version":    unhex(t, "fefd"),
		"session id": unhex(t, "0303", strings.Repeat("33", 32), "ff"),
		"trailing":   unhex(t, "0303", strings.Repeat("33", 32), "00 1301 00 0000 00"),
		"extension":  unhex(t, "0303", strings.Repeat("33", 32), "00 1301 00 0001 00"),
	} {
		_, err := tlswire.ParseServerHello(b)
		var syntax *tlswire.SyntaxError
		if !errors.As(err, &syntax) || syntax.Section != "RFC 8446, Section 4.1.3" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestServerHelloCaptured(t *testing.T) {
	type facts struct {
		Version     tlswire.Version
		Suite       tlswire.CipherSuite
		KeyShare    tlswire.NamedGroup
		EtM, Ticket bool
	}
	for name, want := range map[string]facts{
		"server_hello_softether_tls12": {Version: tlswire.VersionTLS12, Suite: 0x002F, EtM: true},
		"server_hello_accel_tls12":     {Version: tlswire.VersionTLS12, Suite: 0xCCA8, Ticket: true},
		"server_hello_nginx_tls13":     {Version: tlswire.VersionTLS13, Suite: 0x1302, KeyShare: 29},
	} {
		b := message(t, name)
		h, err := tlswire.ParseServerHello(b)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got := facts{h.NegotiatedVersion, h.CipherSuite, h.KeyShare, h.EncryptThenMAC, h.SessionTicket}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if !bytes.Equal(h.Append(nil), b) || len(h.Malformed) > 0 || h.HelloRetryRequest {
			t.Errorf("%s: %+v", name, h)
		}
	}
}

func TestEncryptedExtensions(t *testing.T) {
	for _, tt := range []struct {
		name string
		b    []byte
		want tlswire.EncryptedExtensions
	}{
		{"none", unhex(t, "0000"), tlswire.EncryptedExtensions{Extensions: []tlswire.Extension{}}},
		{"ALPN", unhex(t, "000d", "0000 0000  0010 0005 0003 02 6832"), tlswire.EncryptedExtensions{
			Extensions: []tlswire.Extension{
				{Type: tlswire.ExtensionServerName, Data: []byte{}},
				{Type: tlswire.ExtensionALPN, Data: unhex(t, "0003 02 6832")},
			},
			ALPN: "h2",
		}},
		{"malformed", unhex(t, "0006", "0010 0002 0000"), tlswire.EncryptedExtensions{
			Extensions: []tlswire.Extension{{Type: tlswire.ExtensionALPN, Data: []byte{0, 0}}},
			Malformed:  []tlswire.ExtensionType{tlswire.ExtensionALPN},
		}},
	} {
		got, err := tlswire.ParseEncryptedExtensions(tt.b)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if diff := cmp.Diff(&tt.want, got); diff != "" {
			t.Errorf("%s: parsed (-want +got):\n%s", tt.name, diff)
		}
		if diff := cmp.Diff(tt.b, tt.want.Append(nil)); diff != "" {
			t.Errorf("%s: appended (-want +got):\n%s", tt.name, diff)
		}
		for i := range tt.b {
			if _, err := tlswire.ParseEncryptedExtensions(tt.b[:i]); !isEOF(err) {
				t.Errorf("%s: %d bytes: %v", tt.name, i, err)
			}
		}
	}
	var syntax *tlswire.SyntaxError
	if _, err := tlswire.ParseEncryptedExtensions(unhex(t, "0000 00")); !errors.As(err, &syntax) {
		t.Errorf("trailing byte: %v", err)
	}
}
