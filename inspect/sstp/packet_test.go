package sstp_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sstpwarden/inspect/sstp"
)

// unhex reads hexadecimal with spaces between its groups.
func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		t.Fatalf("reading hexadecimal: %v", err)
	}
	return b
}

// isBareEOF reports whether err is io.ErrUnexpectedEOF, not wrapped.
func isBareEOF(err error) bool {
	return errors.Is(err, io.ErrUnexpectedEOF) && errors.Unwrap(err) == nil
}

func TestPacket(t *testing.T) {
	tests := []struct {
		name string
		wire string
		want sstp.Packet
	}{
		{
			name: "control",
			wire: "10 01 0008  0008 0000",
			want: sstp.Packet{Control: true, Data: []byte{0, 8, 0, 0}},
		},
		{
			name: "data",
			wire: "10 00 000c  ff03 c021 09 01 0004",
			want: sstp.Packet{Data: []byte{0xff, 0x03, 0xc0, 0x21, 9, 1, 0, 4}},
		},
		{
			name: "data without a frame",
			wire: "10 00 0004",
			want: sstp.Packet{Data: []byte{}},
		},
		{
			name: "mihomo sets R to 8",
			wire: "10 01 800e  0001 0001  00 01 0006 0001",
			want: sstp.Packet{
				Control: true, LengthReserved: 8,
				Data: []byte{0, 1, 0, 1, 0, 1, 0, 6, 0, 1},
			},
		},
		{
			name: "all reserved bits",
			wire: "10 ff f008  0009 0000",
			want: sstp.Packet{
				Control: true, Reserved: 0x7f, LengthReserved: 0xf,
				Data: []byte{0, 9, 0, 0},
			},
		},
		{
			name: "reserved bits of a data packet",
			wire: "10 02 1005  aa",
			want: sstp.Packet{Reserved: 1, LengthReserved: 1, Data: []byte{0xaa}},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			wire := unhex(t, tt.wire)
			next := []byte{0x10, 0x01, 0xff}
			got, n, err := sstp.ParsePacket(append(bytes.Clone(wire), next...))
			if err != nil {
				t.Fatalf("ParsePacket: %v", err)
			}
			if n != len(wire) || n != got.Len() {
				t.Errorf("n = %d, Len() = %d, want %d", n, got.Len(), len(wire))
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("ParsePacket (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(append(next, wire...), tt.want.Append(next)); diff != "" {
				t.Errorf("Append (-want +got):\n%s", diff)
			}
			for i := range wire {
				if _, n, err := sstp.ParsePacket(wire[:i]); !isBareEOF(err) || n != 0 {
					t.Errorf("prefix of %d bytes: n = %d, err = %v, want io.ErrUnexpectedEOF", i, n, err)
				}
			}
		})
	}
}

func TestPacketMaxLen(t *testing.T) {
	p := sstp.Packet{Data: bytes.Repeat([]byte{0x7e}, sstp.MaxDataLen)}
	wire := p.Append(nil)
	got, n, err := sstp.ParsePacket(wire)
	if err != nil || n != sstp.MaxPacketLen {
		t.Fatalf("ParsePacket: n = %d, err = %v, want %d bytes", n, err, sstp.MaxPacketLen)
	}
	if diff := cmp.Diff(p, got); diff != "" {
		t.Errorf("ParsePacket (-want +got):\n%s", diff)
	}
	defer func() {
		if recover() == nil {
			t.Error("Append took more than MaxDataLen bytes")
		}
	}()
	p.Data = append(p.Data, 0)
	p.Append(nil)
}

func TestPacketErrors(t *testing.T) {
	tests := []struct {
		name string
		wire string
		want *sstp.SyntaxError
		text string
	}{
		{
			name: "version 1.1",
			wire: "11",
			want: &sstp.SyntaxError{Section: "MS-SSTP 2.2.1", Field: "Version", Value: byte(0x11)},
			text: "sstp: bad Version 0x11 at byte 0 (MS-SSTP 2.2.1)",
		},
		{
			name: "HTTP",
			wire: "48 54 54 50",
			want: &sstp.SyntaxError{Section: "MS-SSTP 2.2.1", Field: "Version", Value: byte('H')},
			text: "sstp: bad Version 0x48 at byte 0 (MS-SSTP 2.2.1)",
		},
		{
			name: "length shorter than the header",
			wire: "10 00 0003",
			want: &sstp.SyntaxError{Section: "MS-SSTP 2.2.1", Field: "Length", Offset: 2, Value: 3},
			text: "sstp: bad Length 0x3 at byte 2 (MS-SSTP 2.2.1)",
		},
		{
			name: "R does not count",
			wire: "10 01 f000 0000",
			want: &sstp.SyntaxError{Section: "MS-SSTP 2.2.1", Field: "Length", Offset: 2, Value: 0},
			text: "sstp: bad Length 0x0 at byte 2 (MS-SSTP 2.2.1)",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, n, err := sstp.ParsePacket(unhex(t, tt.wire))
			checkSyntaxError(t, err, tt.want, tt.text)
			if n != 0 {
				t.Errorf("n = %d, want 0", n)
			}
		})
	}
}

func checkSyntaxError(t *testing.T, err error, want *sstp.SyntaxError, text string) {
	t.Helper()
	var got *sstp.SyntaxError
	if !errors.As(err, &got) {
		t.Fatalf("err = %v, want a *SyntaxError", err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("SyntaxError (-want +got):\n%s", diff)
	}
	if got.Error() != text {
		t.Errorf("Error() = %q, want %q", got.Error(), text)
	}
}

// TestPacketAliases proves that the data is not copied, and that appending to
// it leaves the next packet alone.
func TestPacketAliases(t *testing.T) {
	b := unhex(t, "10 00 0005 aa  10 01 0008 0008 0000")
	p, n, err := sstp.ParsePacket(b)
	if err != nil {
		t.Fatal(err)
	}
	if &p.Data[0] != &b[sstp.HeaderLen] {
		t.Error("Data does not alias the input")
	}
	_ = append(p.Data, 0xff)
	if b[n] != sstp.Version {
		t.Errorf("appending to Data wrote %#x into the next packet", b[n])
	}
}

func TestPacketAllocs(t *testing.T) {
	b := unhex(t, "10 00 000c ff03 c021 09 01 0004")
	out := make([]byte, 0, len(b))
	allocs := testing.AllocsPerRun(100, func() {
		p, _, err := sstp.ParsePacket(b)
		if err != nil {
			t.Fatal(err)
		}
		out = p.Append(out[:0])
	})
	if allocs != 0 {
		t.Errorf("%v allocations per data packet, want none", allocs)
	}
}
