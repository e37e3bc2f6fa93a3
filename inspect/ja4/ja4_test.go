package ja4_test

import (
	"encoding/binary"
	"strings"
	"testing"

	"sstpwarden/inspect/ja4"
	"sstpwarden/inspect/tlswire"
)

// The lists of FoxIO's example, github.com/FoxIO-LLC/ja4,
// technical_details/JA4.md.
var (
	exampleSuites = []tlswire.CipherSuite{
		0x1301, 0x1302, 0x1303, 0xC02B, 0xC02F, 0xC02C, 0xC030, 0xCCA9, 0xCCA8, 0xC013, 0xC014, 0x009C, 0x009D, 0x002F, 0x0035,
	}
	exampleExtensions = []tlswire.ExtensionType{
		0x001B, 0x0000, 0x0033, 0x0010, 0x4469, 0x0017, 0x002D, 0x000D, 0x0005, 0x0023, 0x0012, 0x002B, 0xFF01, 0x000B, 0x000A, 0x0015,
	}
	exampleSignatures = []uint16{0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601}
)

// example returns the hello of FoxIO's example, in which signatures stand.
func example(t *testing.T, signatures []uint16) *tlswire.ClientHello {
	h := &tlswire.ClientHello{
		Version: tlswire.VersionTLS12, CipherSuites: exampleSuites, CompressionMethods: []uint8{0},
	}
	list := binary.BigEndian.AppendUint16(nil, uint16(2*len(signatures)))
	for _, s := range signatures {
		list = binary.BigEndian.AppendUint16(list, s)
	}
	data := map[tlswire.ExtensionType][]byte{
		tlswire.ExtensionServerName:          []byte("\x00\x06\x00\x00\x03a.b"),
		tlswire.ExtensionALPN:                []byte("\x00\x0c\x02h2\x08http/1.1"),
		tlswire.ExtensionSupportedVersions:   []byte("\x06\xfa\xfa\x03\x04\x03\x03"),
		tlswire.ExtensionSupportedGroups:     []byte("\x00\x02\x00\x1d"),
		tlswire.ExtensionECPointFormats:      []byte("\x01\x00"),
		tlswire.ExtensionKeyShare:            []byte("\x00\x00"),
		tlswire.ExtensionSignatureAlgorithms: list,
	}
	for _, e := range exampleExtensions {
		h.Extensions = append(h.Extensions, tlswire.Extension{Type: e, Data: data[e]})
	}
	return parsed(t, h)
}

func TestJA4Published(t *testing.T) {
	const (
		suites     = "002f,0035,009c,009d,1301,1302,1303,c013,c014,c02b,c02c,c02f,c030,cca8,cca9"
		extensions = "0005,000a,000b,000d,0012,0015,0017,001b,0023,002b,002d,0033,4469,ff01"
		signatures = "0403,0804,0401,0503,0805,0501,0806,0601"
	)
	h := example(t, exampleSignatures)
	if got, want := ja4.JA4(h), "t13d1516h2_8daaf6152771_e5627efa2ab1"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got, want := ja4.Raw(h), "t13d1516h2_"+suites+"_"+extensions+"_"+signatures; got != want {
		t.Errorf("%s, want %s", got, want)
	}

	// "If there are no signature algorithms in the hello packet, then the
	// string ends without an underscore and is hashed."
	h = example(t, nil)
	if got, want := ja4.JA4(h), "t13d1516h2_8daaf6152771_6d807ffa2a79"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got, want := ja4.Raw(h), "t13d1516h2_"+suites+"_"+extensions; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// GREASE in every list changes nothing.
func TestJA4GREASE(t *testing.T) {
	h := example(t, append([]uint16{0x1A1A}, exampleSignatures...))
	h.CipherSuites = append([]tlswire.CipherSuite{0x2A2A}, h.CipherSuites...)
	h.Extensions = append([]tlswire.Extension{{Type: 0x3A3A}}, append(h.Extensions, tlswire.Extension{Type: 0x4A4A})...)
	if got, want := ja4.JA4(h), "t13d1516h2_8daaf6152771_e5627efa2ab1"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if len(h.CipherSuites) != 16 || h.CipherSuites[0] != 0x2A2A || h.Extensions[0].Type != 0x3A3A {
		t.Error("the hello was changed")
	}
}

// Of FoxIO's captures, its own program gives what this package gives for all
// hellos outside of tunnels; but one whose ALPN is not ASCII, where it does not
// follow its specification.
func TestJA4(t *testing.T) {
	for _, tt := range []struct {
		name  string
		hello *tlswire.ClientHello
		want  string
	}{
		{"Windows 7", windows7(t), "t10d120300_d94e65cdb899_33a13ba74d1c"},
		{"sstpc, TLS 1.2", clientHello(t, "client_hello_sstpc_tls12"), "t12i270600_d660a41a3e0e_e7e480e5a997"},
		{"sstpc, TLS 1.3", clientHello(t, "client_hello_sstpc_tls13"), "t13d041000_16476d049b0b_78f1d400d464"},
		{"OpenSSL as sstpc sets it up", openSSL(t, false), "t13i301000_9bc4b2584674_d41ae481755e"},
		{"OpenSSL as sstpc sets it up, SNI", openSSL(t, true), "t13d301100_9bc4b2584674_d41ae481755e"},
		{"Go 1.26", clientHello(t, "client_hello_go126"), "t13d131100_f57a46bbacb6_ab7e3b40a677"},
		{"Rust client", clientHello(t, "client_hello_rust_tls12"), "t13d311100_e8f1e7e78f70_d41ae481755e"},
		{"curl", clientHello(t, "client_hello_curl"), "t13d3112h2_e8f1e7e78f70_b26ce05bbdd6"},
		{"Chromium", clientHello(t, "client_hello_chromium"), "t13d1517h2_8daaf6152771_cb7bf5808d99"},
		{
			"nothing", &tlswire.ClientHello{Version: tlswire.VersionSSL30},
			"ts3i000000_000000000000_000000000000",
		},
		{
			"only server_name and ALPN", &tlswire.ClientHello{
				Version:    tlswire.VersionTLS11,
				Extensions: []tlswire.Extension{{Type: tlswire.ExtensionServerName}, {Type: tlswire.ExtensionALPN}},
			},
			"t11d000200_000000000000_000000000000",
		},
		{
			"unknown version", &tlswire.ClientHello{Version: 0x0305},
			"t00i000000_000000000000_000000000000",
		},
	} {
		if got := ja4.JA4(tt.hello); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

func TestJA4Counts(t *testing.T) {
	h := &tlswire.ClientHello{Version: tlswire.VersionTLS12}
	for i := range 120 {
		h.CipherSuites = append(h.CipherSuites, tlswire.CipherSuite(i))
		h.Extensions = append(h.Extensions, tlswire.Extension{Type: tlswire.ExtensionType(100 + i)})
	}
	if got, _, _ := strings.Cut(ja4.JA4(h), "_"); got != "t12i999900" {
		t.Error(got)
	}
}

// The names and what becomes of them are FoxIO's examples.
func TestJA4Protocol(t *testing.T) {
	for name, want := range map[string]string{
		"h2":               "h2",
		"http/1.1":         "h1",
		"h":                "hh",
		"\xAB":             "ab",
		"\x20":             "20",
		"\xAB\xCD":         "ad",
		"\x20\x61":         "21",
		"\x30\xAB":         "3b",
		"\x61\x20":         "60",
		"\x30\x31\xAB\xCD": "3d",
		"\x30\xAB\xCD\x31": "01",
		"":                 "00",
		"Az9Z":             "AZ",
	} {
		h := &tlswire.ClientHello{Version: tlswire.VersionTLS12, ALPN: []string{name, "h2"}}
		if got, _, _ := strings.Cut(ja4.JA4(h), "_"); got != "t12i0000"+want {
			t.Errorf("%q: %s, want %s", name, got, want)
		}
	}
}
