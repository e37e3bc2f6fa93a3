package nlqueue

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// fromHex reads bytes as a kernel of little-endian byte order writes them.
func fromHex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.NewReplacer(" ", "", "\n", "", "\t", "").Replace(s))
	if err != nil {
		t.Fatal(err)
	}
	if binary.NativeEndian.Uint16([]byte{1, 0}) != 1 {
		t.Skip("the bytes are those of a little-endian machine")
	}
	return b
}

var packets = []struct {
	name   string
	bytes  string
	packet Packet
}{
	{
		"smallest", "24000000 0003 0100 0000000000000000 00000001 0b000100 00000007 0800 03 00 0400 0a00",
		Packet{Queue: 1, ID: 7, Protocol: 0x0800, Hook: 3, Payload: []byte{}},
	},
	{
		"all", `40000000 0003 0100 0000000000000000 00005354 0b000100 ffffffff 86dd 02 00
		0800 0300 12345678  0800 0d00 00010000  0800 0e00 00000003  0800 0a00 60616263`,
		Packet{
			Queue: 0x5354, ID: 0xffffffff, Protocol: 0x86dd, Hook: 2, Mark: 0x12345678,
			Info: InfoChecksumNotReady | InfoGSO, Payload: []byte("`abc"), Length: 65536,
		},
	},
}

func TestPacket(t *testing.T) {
	for _, test := range packets {
		t.Run(test.name, func(t *testing.T) {
			b := fromHex(t, test.bytes)
			want := test.packet
			want.Length = max(want.Length, len(want.Payload))
			m, n, err := Parse(b)
			if diff := cmp.Diff(Message{Kind: KindPacket, Packet: want}, m); diff != "" || n != len(b) || err != nil {
				t.Errorf("%d bytes, %v, %s", n, err, diff)
			}
			if diff := cmp.Diff(b, test.packet.Append(nil)); diff != "" {
				t.Error(diff)
			}
			for i := range b {
				if _, _, err := Parse(b[:i]); !errors.Is(err, io.ErrUnexpectedEOF) {
					t.Errorf("%d bytes: %v", i, err)
				}
			}
		})
	}
}

// From Linux 6.18: a router's answer to a SYN. Attributes that are of no use here stand
// between the others.
func TestPacketOfKernel(t *testing.T) {
	b := fromHex(t, `6c000000 0003 0000 0000000000000000 02005354
		0b000100 00000002 0800 02 00  08000500 00000064  08000600 00000002
		10000900 00060000 56ea10b2f971 0000
		2c000a00 45000028000040003f0627ca0a0200020a010002 0050862c000000003b2e05e550140000d43a0000`)
	m, n, err := Parse(b)
	want := Packet{Queue: 21332, ID: 2, Protocol: 0x0800, Hook: 2, Payload: b[len(b)-40:], Length: 40}
	if diff := cmp.Diff(Message{Kind: KindPacket, Packet: want}, m); diff != "" || n != len(b) || err != nil {
		t.Errorf("%d of %d bytes, %v, %s", n, len(b), err, diff)
	}
}

// A message that ends with padding, or without.
func TestPadding(t *testing.T) {
	p := Packet{ID: 1, Payload: []byte("12345")}
	b := p.Append(nil)
	for _, want := range []int{len(b), len(b) - 3} {
		binary.NativeEndian.PutUint32(b, uint32(want))
		m, n, err := Parse(b[:want])
		if err != nil || n != want || string(m.Packet.Payload) != "12345" {
			t.Errorf("%d of %d bytes, %+v, %v", n, want, m, err)
		}
	}
	binary.NativeEndian.PutUint32(b, uint32(len(b)-3))
	if _, n, err := Parse(b); n != len(b) || err != nil {
		t.Errorf("%d of %d bytes, %v", n, len(b), err)
	}
}

func TestOtherMessages(t *testing.T) {
	for name, test := range map[string]struct {
		bytes string
		want  Message
	}{
		"error":     {"24000000 0200 0000 0000000000000000 feffffff 14000000 0103 0100 0000000000000000", Message{Kind: KindError, Errno: syscall.ENOENT}},
		"done":      {"24000000 0200 0000 0000000000000000 00000000 14000000 0103 0100 0000000000000000", Message{Kind: KindError}},
		"nothing":   {"10000000 0100 0000 0000000000000000", Message{Kind: KindOther}},
		"conntrack": {"14000000 0001 0000 0000000000000000 02000000", Message{Kind: KindOther}},
	} {
		b := fromHex(t, test.bytes)
		m, n, err := Parse(append(b, "next"...))
		if diff := cmp.Diff(test.want, m); diff != "" || n != len(b) || err != nil {
			t.Errorf("%s: %d bytes, %v, %s", name, n, err, diff)
		}
	}
}

func TestSyntaxErrors(t *testing.T) {
	for name, test := range map[string]struct {
		bytes string
		want  SyntaxError
		n     int
	}{
		"message shorter than its header": {"0f000000 0003 0000 0000000000000000", SyntaxError{"struct nlmsghdr", "nlmsg_len", 0, uint32(15)}, 0},
		"no family":                       {"12000000 0003 0000 0000000000000000 0000 0000", SyntaxError{"struct nfgenmsg", "length", 16, 2}, 20},
		"attribute without a header":      {"18000000 0003 0000 0000000000000000 00000000 03000100", SyntaxError{"struct nlattr", "nla_len", 20, 3}, 24},
		"attribute longer than the rest":  {"18000000 0003 0000 0000000000000000 00000000 05000100", SyntaxError{"struct nlattr", "nla_len", 20, 5}, 24},
		"short packet header":             {"1c000000 0003 0000 0000000000000000 00000000 08000100 00000001", SyntaxError{"struct nlattr", "nla_len", 20, 8}, 28},
		"short mark":                      {"1c000000 0003 0000 0000000000000000 00000000 06000300 0000 0000", SyntaxError{"struct nlattr", "nla_len", 20, 6}, 28},
		"no packet header":                {"18000000 0003 0000 0000000000000000 00000000 04000a00", SyntaxError{"NFQNL_MSG_PACKET", "NFQA_PACKET_HDR", 16, "missing"}, 24},
		"error without a number":          {"12000000 0200 0000 0000000000000000 0000 0000", SyntaxError{"struct nlmsgerr", "error", 16, 2}, 20},
	} {
		m, n, err := Parse(fromHex(t, test.bytes))
		got, ok := errors.AsType[*SyntaxError](err)
		if !ok || cmp.Diff(test.want, *got) != "" || n != test.n || m.Kind != 0 {
			t.Errorf("%s: %d bytes, %+v, %v; want %v", name, n, m, err, &test.want)
		}
	}
	e := &SyntaxError{"struct nlattr", "nla_len", 20, 3}
	if got := e.Error(); got != "nlqueue: nla_len of struct nlattr at byte 20 cannot be 3" {
		t.Error(got)
	}
}

func TestVerdict(t *testing.T) {
	var all, want []byte
	for _, test := range []struct {
		verdict Verdict
		bytes   string
	}{
		{Verdict{Queue: 7, ID: 1, Code: Accept}, "20000000 0103 0100 0000000000000000 00000007 0c000200 00000001 00000001"},
		{Verdict{Queue: 7, ID: 0x01020304, UpTo: true, Code: Accept}, "20000000 0303 0100 0000000000000000 00000007 0c000200 00000001 01020304"},
		{Verdict{Queue: 0x5354, ID: 2, Code: Repeat, Mark: 0xa0000001, SetMark: true}, "28000000 0103 0100 0000000000000000 00005354 0c000200 00000004 00000002 08000300 a0000001"},
		{Verdict{ID: 3, Code: Drop}, "20000000 0103 0100 0000000000000000 00000000 0c000200 00000000 00000003"},
	} {
		all, want = test.verdict.Append(all), append(want, fromHex(t, test.bytes)...)
		if diff := cmp.Diff(want, all); diff != "" {
			t.Errorf("%+v: %s", test.verdict, diff)
		}
	}
}

func TestAllocations(t *testing.T) {
	in := packets[0].packet.Append(nil)
	out := make([]byte, 0, 1000)
	if n := testing.AllocsPerRun(100, func() {
		m, _, err := Parse(in)
		if err != nil {
			t.Fatal(err)
		}
		v := Verdict{Queue: m.Packet.Queue, ID: m.Packet.ID, Code: Accept, Mark: 1, SetMark: true}
		out = v.Append(out[:0])
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestKinds(t *testing.T) {
	if got := []string{KindPacket.String(), KindOther.String(), Kind(0).String(), Kind(9).String()}; !slices.Equal(got, []string{"packet", "other", "Kind(0)", "Kind(9)"}) {
		t.Error(got)
	}
}

func FuzzParse(f *testing.F) {
	for _, p := range packets {
		f.Add(p.packet.Append(nil))
	}
	f.Add(append(packets[1].packet.Append(nil), packets[0].packet.Append(nil)...))
	f.Add([]byte("\x24\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xfe\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, b []byte) {
		for len(b) > 0 {
			m, n, err := Parse(b)
			if err == nil && n == 0 || n > len(b) {
				t.Fatalf("%d of %d bytes, %v", n, len(b), err)
			}
			if err == nil && m.Kind == KindPacket {
				p := m.Packet
				again, _, err := Parse(p.Append(nil))
				if diff := cmp.Diff(p, again.Packet, cmp.Comparer(bytes.Equal)); diff != "" || err != nil {
					t.Fatalf("%v, %s", err, diff)
				}
			}
			if n == 0 {
				return
			}
			b = b[n:]
		}
	})
}
