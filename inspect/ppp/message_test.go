package ppp_test

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sstpwarden/inspect/ppp"
)

func TestMessage(t *testing.T) {
	for _, tt := range messageTests {
		t.Run(tt.name, func(t *testing.T) {
			want := unhex(tt.bytes)
			padded := append(unhex(tt.bytes), 0, 0, 0)
			got, n, err := ppp.ParseMessage(tt.protocol, padded)
			if err != nil {
				t.Fatal(err)
			}
			if n != len(want) {
				t.Errorf("ParseMessage took %d octets, want %d", n, len(want))
			}
			if diff := cmp.Diff(tt.message, got, compare); diff != "" {
				t.Errorf("ParseMessage (-want +got):\n%s", diff)
			}
			prefix := []byte("before")
			b, err := tt.message.Append(prefix)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff("before"+string(want), string(b)); diff != "" {
				t.Errorf("Append (-want +got):\n%s", diff)
			}
			for i := range want {
				_, _, err := ppp.ParseMessage(tt.protocol, want[:i])
				if err != io.ErrUnexpectedEOF { //nolint:errorlint // must be bare
					t.Errorf("ParseMessage of %d octets: error %v, want %v", i, err, io.ErrUnexpectedEOF)
				}
			}
		})
	}
}

// What real peers send or take although their specification does not have it. The way back gives the specified form.
func TestMessageTolerance(t *testing.T) {
	tests := []struct {
		name     string
		protocol ppp.Protocol
		bytes    string
		message  ppp.Message
	}{
		{
			"PAP Authenticate-Ack without Msg-Length, SoftEther 4.44",
			ppp.ProtocolPAP,
			"02 01 0004",
			ppp.PAPAck{Identifier: 1},
		},
		{
			"PAP octets after the password",
			ppp.ProtocolPAP,
			"01 01 0009  01 61  01 62 ff",
			ppp.PAPRequest{Identifier: 1, PeerID: "a", Password: secret("b")},
		},
		{
			"CBCP no callback with a delay of 0",
			ppp.ProtocolCBCP,
			"02 01 0007  01 03 00",
			ppp.CBCP{Code: ppp.CBCPResponse, Identifier: 1, Options: []ppp.Option{
				ppp.CallbackOption{Type: ppp.NoCallback},
			}},
		},
		{
			"EAP Success with data",
			ppp.ProtocolEAP,
			"03 01 0005  00",
			ppp.EAP{Code: ppp.EAPSuccess, Identifier: 1},
		},
		{
			"EAP-TLS acknowledgement without flags",
			ppp.ProtocolEAP,
			"02 01 0005  0d",
			ppp.EAP{Code: ppp.EAPResponse, Identifier: 1, Data: ppp.EAPTLS{Type: ppp.EAPTypeTLS}},
		},
		{
			"EAP MSCHAPv2 with an MS-Length that is too large",
			ppp.ProtocolEAP,
			"01 01 000b  1a  03 05 00ff  533d",
			ppp.EAP{Code: ppp.EAPRequest, Identifier: 1, Data: ppp.EAPMSCHAPv2{
				OpCode: ppp.EAPMSCHAPv2Success, Message: ppp.CHAPSuccess{Identifier: 5, Message: "S="},
			}},
		},
		{
			"EAP MSCHAPv2 with octets after MS-Length",
			ppp.ProtocolEAP,
			"01 01 000c  1a  03 05 0006  533d 00",
			ppp.EAP{Code: ppp.EAPRequest, Identifier: 1, Data: ppp.EAPMSCHAPv2{
				OpCode: ppp.EAPMSCHAPv2Success, Message: ppp.CHAPSuccess{Identifier: 5, Message: "S="},
			}},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, n, err := ppp.ParseMessage(tt.protocol, unhex(tt.bytes))
			if err != nil {
				t.Fatal(err)
			}
			if n != len(unhex(tt.bytes)) {
				t.Errorf("ParseMessage took %d octets, want all %d", n, len(unhex(tt.bytes)))
			}
			if diff := cmp.Diff(tt.message, got, compare); diff != "" {
				t.Errorf("ParseMessage (-want +got):\n%s", diff)
			}
		})
	}
}

func TestMessageErrors(t *testing.T) {
	const (
		rfc1334 = "RFC 1334, Section 2.2.1"
		rfc1661 = "RFC 1661, Section 6"
		rfc1994 = "RFC 1994, Section 4.1"
		kamath  = "draft-kamath-pppext-eap-mschapv2-02, Section 2"
	)
	tests := []struct {
		name     string
		protocol ppp.Protocol
		bytes    string
		section  string
		field    string
		offset   int
		value    any
	}{
		{"data protocol", 0x0021, "4500", "RFC 1661, Section 2", "Protocol", 0, ppp.ProtocolIPv4},
		{"link quality report", 0xc025, "", "RFC 1661, Section 2", "Protocol", 0, ppp.ProtocolLQR},
		{"length less than the header", 0xc021, "01 01 0003", "RFC 1661, Section 5", "Length", 2, 3},
		{"option length 0", 0xc021, "01 01 0006  01 00", rfc1661, "Length", 5, 0},
		{"option length 1", 0xc021, "01 01 0008  07 02  01 01", rfc1661, "Length", 7, 1},
		{"option beyond the packet", 0x8021, "01 01 0008  03 06 0000  0000", rfc1661, "Length", 5, 6},
		{"option cut after its type", 0xc029, "01 01 0005  01", rfc1661, "Type", 4, uint8(1)},
		{"Protocol-Reject", 0xc021, "08 01 0005  80", "RFC 1661, Section 5.7", "Length", 2, 5},
		{"Echo-Request", 0xc021, "09 01 0007  000000", "RFC 1661, Section 5.8", "Length", 2, 7},
		{"Identification", 0xc021, "0c 01 0004", "RFC 1570, Section 1.1", "Length", 2, 4},
		{"Time-Remaining", 0xc021, "0d 01 000b  00000000 000000", "RFC 1570, Section 1.2", "Length", 2, 11},
		{"PAP without a name", 0xc023, "01 01 0004", rfc1334, "Length", 2, 4},
		{"PAP name too long", 0xc023, "01 01 0007  03 61 62", rfc1334, "Peer-ID Length", 4, uint8(3)},
		{"PAP without a password", 0xc023, "01 01 0006  01 61", rfc1334, "Length", 2, 6},
		{"PAP password too long", 0xc023, "01 01 0008  01 61  02 62", rfc1334, "Passwd-Length", 6, uint8(2)},
		{"PAP message too long", 0xc023, "03 01 0005  01", "RFC 1334, Section 2.2.2", "Msg-Length", 4, uint8(1)},
		{"CHAP without a value", 0xc223, "01 01 0004", rfc1994, "Length", 2, 4},
		{"CHAP empty value", 0xc223, "01 01 0006  00 61", rfc1994, "Value-Size", 4, uint8(0)},
		{"CHAP value too long", 0xc223, "02 01 0006  02 61", rfc1994, "Value-Size", 4, uint8(2)},
		{"EAP without a type", 0xc227, "02 01 0004", "RFC 3748, Section 4.1", "Length", 2, 4},
		{"EAP MD5 without a value", 0xc227, "02 01 0005  04", "RFC 3748, Section 5.4", "Length", 2, 5},
		{"EAP MD5 value too long", 0xc227, "02 01 0006  04 01", "RFC 3748, Section 5.4", "Value-Size", 5, uint8(1)},
		{"EAP-TLS length cut", 0xc227, "02 01 0009  0d 80 000000", "RFC 5216, Section 3.1", "Length", 2, 9},
		{"EAP MSCHAPv2 empty", 0xc227, "02 01 0005  1a", kamath, "Length", 2, 5},
		{"EAP MSCHAPv2 header cut", 0xc227, "02 01 0008  1a 02 05 00", kamath, "Length", 2, 8},
		{"EAP MSCHAPv2 Response without data", 0xc227, "02 01 0006  1a 02", kamath, "Length", 2, 6},
		{"EAP MSCHAPv2 value too long", 0xc227, "02 01 000b  1a  02 05 0006  09 61", rfc1994, "Value-Size", 9, uint8(9)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, n, err := ppp.ParseMessage(tt.protocol, unhex(tt.bytes))
			if n != 0 {
				t.Errorf("ParseMessage took %d octets, want 0", n)
			}
			wantSyntaxError(t, err, ppp.SyntaxError{
				Section: tt.section, Field: tt.field, Offset: tt.offset, Value: tt.value,
			})
		})
	}
}

func TestAppendErrors(t *testing.T) {
	long, huge := strings.Repeat("x", 256), strings.Repeat("x", 1<<16)
	configure := func(o ppp.Option) ppp.Message {
		return ppp.Configure{Code: ppp.CodeConfigureRequest, Options: []ppp.Option{o}}
	}
	response := func(d ppp.EAPData) ppp.Message { return ppp.EAP{Code: ppp.EAPResponse, Data: d} }
	tests := map[string]ppp.Message{
		"Configure without a code":         ppp.Configure{},
		"Terminate with another code":      ppp.Terminate{Code: ppp.CodeCodeReject},
		"Echo with another code":           ppp.Echo{Code: ppp.CodeIdentification},
		"Identification too long":          ppp.Identification{Message: huge},
		"CodeReject too long":              ppp.CodeReject{Rejected: []byte(huge)},
		"option too long":                  configure(ppp.RawOption{Type: 1, Data: []byte(long)}),
		"IPv6 address in IPCP":             configure(ppp.IPCPAddress{Type: ppp.IPAddress, Addr: netip.IPv6Loopback()}),
		"algorithm with PAP":               configure(ppp.AuthenticationProtocol{ppp.ProtocolPAP, ppp.CHAPMD5}),
		"CBCP without a code":              ppp.CBCP{},
		"NUL in a callback address":        configure(ppp.CallbackOption{Addresses: []ppp.CallbackAddress{{Address: "\x00"}}}),
		"PAP name too long":                ppp.PAPRequest{PeerID: long},
		"PAP password too long":            ppp.PAPRequest{Password: secret(long)},
		"PAP message too long":             ppp.PAPNak{Message: long},
		"CHAP without a value":             ppp.CHAPResponse{Name: "jo"},
		"CHAP value too long":              ppp.CHAPChallenge{Value: []byte(long)},
		"EAP without a code":               ppp.EAP{},
		"EAP Response without data":        ppp.EAP{Code: ppp.EAPResponse},
		"EAP Success with data":            ppp.EAP{Code: ppp.EAPSuccess, Data: ppp.EAPIdentity("")},
		"EAP MD5 without a value":          response(ppp.EAPMD5Challenge{}),
		"EAP MD5 value too long":           response(ppp.EAPMD5Challenge{Value: secret(long)}),
		"EAP MSCHAPv2 without a message":   response(ppp.EAPMSCHAPv2{OpCode: ppp.EAPMSCHAPv2Response}),
		"EAP MSCHAPv2 without an OpCode":   response(ppp.EAPMSCHAPv2{Message: ppp.PAPAck{}}),
		"EAP MSCHAPv2 of another OpCode":   response(ppp.EAPMSCHAPv2{ppp.EAPMSCHAPv2Failure, ppp.CHAPSuccess{}}),
		"EAP MSCHAPv2 message cannot be":   response(ppp.EAPMSCHAPv2{ppp.EAPMSCHAPv2Response, ppp.CHAPResponse{}}),
		"EAP MSCHAPv2 with another packet": response(ppp.EAPMSCHAPv2{ppp.EAPMSCHAPv2Success, ppp.Packet{Code: 3}}),
	}
	for name, m := range tests {
		t.Run(name, func(t *testing.T) {
			b, err := m.Append([]byte("before"))
			if !errors.Is(err, ppp.ErrUnencodable) {
				t.Errorf("Append: error %v, want %v", err, ppp.ErrUnencodable)
			}
			if string(b) != "before" {
				t.Errorf("Append gave %q, want %q", b, "before")
			}
		})
	}
}

func TestPacketDoesNotAllocate(t *testing.T) {
	b := unhex("09 05 0008  00000000")
	allocs := testing.AllocsPerRun(100, func() {
		if p, n, err := ppp.ParsePacket(b); err != nil || n != len(b) || p.Code != 9 {
			t.Fatalf("ParsePacket: %v, %d, %v", p, n, err)
		}
	})
	if allocs != 0 {
		t.Errorf("ParsePacket: %v allocations, want 0", allocs)
	}
}

func TestPacketString(t *testing.T) {
	p := ppp.Packet{Code: 1, Identifier: 2, Data: []byte("plain")}
	for _, verb := range []string{"%v", "%+v", "%s"} {
		if got, want := fmt.Sprintf(verb, p), "code 1, identifier 2, 5 octets"; got != want {
			t.Errorf("Sprintf(%q) = %q, want %q", verb, got, want)
		}
	}
}

func TestSyntaxErrorText(t *testing.T) {
	_, _, err := ppp.ParseMessage(ppp.ProtocolLCP, unhex("01 01 0003"))
	want := "ppp: invalid Length 3 at offset 2 (RFC 1661, Section 5)"
	if err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}
