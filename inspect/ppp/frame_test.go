package ppp_test

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sstpwarden/inspect/ppp"
)

var frameTests = []struct {
	name  string
	bytes string
	frame ppp.Frame
}{
	{
		"uncompressed",
		"ff 03 c021 01020304",
		ppp.Frame{Protocol: ppp.ProtocolLCP, Payload: unhex("01020304")},
	},
	{
		"ACFC, by Windows 7 for an Identification",
		"c021 0c010012",
		ppp.Frame{Protocol: ppp.ProtocolLCP, ACFC: true, Payload: unhex("0c010012")},
	},
	{
		"PFC",
		"ff 03 57 60000000",
		ppp.Frame{Protocol: ppp.ProtocolIPv6, PFC: true, Payload: unhex("60000000")},
	},
	{
		"ACFC and PFC, by Windows 7 for data",
		"21 45000060",
		ppp.Frame{Protocol: ppp.ProtocolIPv4, ACFC: true, PFC: true, Payload: unhex("45000060")},
	},
	{
		"low protocol, two octets",
		"0021 45000060",
		ppp.Frame{Protocol: ppp.ProtocolIPv4, ACFC: true, Payload: unhex("45000060")},
	},
	{
		"no payload",
		"fd",
		ppp.Frame{Protocol: ppp.ProtocolCompressed, ACFC: true, PFC: true, Payload: []byte{}},
	},
}

func TestFrame(t *testing.T) {
	for _, tt := range frameTests {
		t.Run(tt.name, func(t *testing.T) {
			b := unhex(tt.bytes)
			got, err := ppp.ParseFrame(b)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.frame, got); diff != "" {
				t.Errorf("ParseFrame (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(b, tt.frame.Append(nil)); diff != "" {
				t.Errorf("Append (-want +got):\n%s", diff)
			}
			for i := range len(b) - len(got.Payload) {
				if _, err := ppp.ParseFrame(b[:i]); err != io.ErrUnexpectedEOF { //nolint:errorlint // must be bare
					t.Errorf("ParseFrame of %d octets: error %v, want %v", i, err, io.ErrUnexpectedEOF)
				}
			}
		})
	}
}

func TestFrameErrors(t *testing.T) {
	tests := []struct {
		name, bytes string
		want        ppp.SyntaxError
	}{
		{"address without control", "ff 04 c021", ppp.SyntaxError{
			Section: "RFC 1662, Section 3.1", Field: "Control", Offset: 1, Value: uint8(4),
		}},
		{"both octets even", "ff 03 c020 01", ppp.SyntaxError{
			Section: "RFC 1661, Section 2", Field: "Protocol", Offset: 2, Value: ppp.Protocol(0xc020),
		}},
		{"reserved protocol", "00ff 01", ppp.SyntaxError{
			Section: "RFC 1661, Section 2", Field: "Protocol", Offset: 0, Value: ppp.Protocol(0x00ff),
		}},
		{"reserved protocol, compressed", "ff 03 ff", ppp.SyntaxError{
			Section: "RFC 1661, Section 2", Field: "Protocol", Offset: 2, Value: ppp.Protocol(0x00ff),
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := ppp.ParseFrame(unhex(tt.bytes))
			wantSyntaxError(t, err, tt.want)
		})
	}
}

func TestFrameAppendKeepsLongProtocol(t *testing.T) {
	f := ppp.Frame{Protocol: ppp.ProtocolIPCP, ACFC: true, PFC: true}
	if diff := cmp.Diff(unhex("8021"), f.Append(nil)); diff != "" {
		t.Errorf("Append (-want +got):\n%s", diff)
	}
}

// A caller that appends to the payload must not write over what follows the frame in its buffer.
func TestFramePayloadIsClipped(t *testing.T) {
	b := unhex("21 4500 ee")
	f, err := ppp.ParseFrame(b[:3])
	if err != nil {
		t.Fatal(err)
	}
	_ = append(f.Payload, 0)
	if b[3] != 0xee {
		t.Error("appending to the payload wrote behind the frame")
	}
}

func TestFrameDoesNotAllocate(t *testing.T) {
	for _, header := range []string{"ff03 0021", "ff03 21", "0021", "21", "ff03 0057", "ff03 57", "0057", "57"} {
		b := append(unhex(header), make([]byte, 1400)...)
		allocs := testing.AllocsPerRun(100, func() {
			f, err := ppp.ParseFrame(b)
			if err != nil || f.Protocol.IsControl() || len(f.Payload) != 1400 {
				t.Fatalf("ParseFrame: %v, %v", f, err)
			}
		})
		if allocs != 0 {
			t.Errorf("ParseFrame of %s: %v allocations, want 0", header, allocs)
		}
	}
}

func TestFrameString(t *testing.T) {
	f := ppp.Frame{Protocol: ppp.ProtocolPAP, Payload: []byte("\x01\x01\x00\x0c\x01u\x05plain")}
	for _, verb := range []string{"%v", "%+v", "%s"} {
		if got, want := fmt.Sprintf(verb, f), "PAP frame, 12 octets"; got != want {
			t.Errorf("Sprintf(%q) = %q, want %q", verb, got, want)
		}
	}
}

func TestProtocol(t *testing.T) {
	tests := []struct {
		protocol ppp.Protocol
		name     string
		control  bool
	}{
		{0x0021, "IPv4", false},
		{0x002d, "VJ compressed TCP/IP", false},
		{0x002f, "VJ uncompressed TCP/IP", false},
		{0x003d, "multilink", false},
		{0x0057, "IPv6", false},
		{0x00fb, "link compressed", false},
		{0x00fd, "compressed", false},
		{0x4001, "0x4001", false},
		{0x8021, "IPCP", true},
		{0x802b, "IPXCP", true},
		{0x803f, "NBFCP", true},
		{0x8053, "ECP", true},
		{0x8057, "IPV6CP", true},
		{0x80fd, "CCP", true},
		{0xc021, "LCP", true},
		{0xc023, "PAP", true},
		{0xc025, "LQR", true},
		{0xc027, "SPAP", true},
		{0xc029, "CBCP", true},
		{0xc223, "CHAP", true},
		{0xc227, "EAP", true},
	}
	for _, tt := range tests {
		if got := tt.protocol.String(); got != tt.name {
			t.Errorf("Protocol(%#04x).String() = %q, want %q", uint16(tt.protocol), got, tt.name)
		}
		if got := tt.protocol.IsControl(); got != tt.control {
			t.Errorf("%v.IsControl() = %v, want %v", tt.protocol, got, tt.control)
		}
	}
}

func BenchmarkParseFrame(b *testing.B) {
	data := append(unhex("ff03 0021 45"), make([]byte, 1400)...)
	for b.Loop() {
		if _, err := ppp.ParseFrame(data); err != nil {
			b.Fatal(err)
		}
	}
}

// wantSyntaxError fails t unless err is a *SyntaxError equal to want with a text that names its field.
func wantSyntaxError(t *testing.T, err error, want ppp.SyntaxError) {
	t.Helper()
	var got *ppp.SyntaxError
	if !errors.As(err, &got) {
		t.Fatalf("error %v, want a *SyntaxError", err)
	}
	if diff := cmp.Diff(want, *got); diff != "" {
		t.Errorf("error (-want +got):\n%s", diff)
	}
}
