package record

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// text writes a segment with sequence numbers counted from either side's SYN.
func (p *packet) text(base [2]uint32) string {
	var names strings.Builder
	for i, name := range "FSRPA" {
		if p.flags&(1<<i) != 0 {
			names.WriteRune(name)
		}
	}
	s := fmt.Sprintf("%s %s %d", []string{">", "<"}[p.src], names.String(), p.seq-base[p.src])
	if p.flags&ack != 0 {
		s += fmt.Sprintf(" ack %d", p.ack-base[p.dst])
	}
	if p.mss != 0 {
		s += fmt.Sprintf(" mss %d", p.mss)
	}
	if len(p.payload) > 0 {
		s += fmt.Sprintf(" len %d", len(p.payload))
	}
	return s
}

// TestTalk: sequence and acknowledgement numbers as RFC 9293, Section 3.4, has
// them.
func TestTalk(t *testing.T) {
	v4 := ends{netip.MustParseAddrPort("192.0.2.1:50000"), netip.MustParseAddrPort("198.51.100.1:443")}
	v6 := ends{netip.MustParseAddrPort("[2001:db8::1]:50000"), netip.MustParseAddrPort("[2001:db8::2]:443")}
	data := func(from side, n int) event { return event{kind: sent, from: from, data: make([]byte, n)} }
	for _, tt := range []struct {
		name   string
		ends   ends
		events []event
		want   []string
	}{
		{"handshake", v4, []event{{kind: opened}}, []string{"> S 0 mss 1460", "< SA 0 ack 1 mss 1460", "> A 1 ack 1"}},
		{"handshake over IPv6", v6, []event{{kind: opened}}, []string{"> S 0 mss 1440", "< SA 0 ack 1 mss 1440", "> A 1 ack 1"}},
		{
			"request and response", v4,
			[]event{data(client, 14), data(server, 48), data(client, 1)},
			[]string{"> PA 1 ack 1 len 14", "< PA 1 ack 15 len 48", "> PA 15 ack 49 len 1"},
		},
		{"a full segment", v4, []event{data(client, 1460)}, []string{"> PA 1 ack 1 len 1460"}},
		{"a full segment and a byte", v4, []event{data(client, 1461)}, []string{"> A 1 ack 1 len 1460", "> PA 1461 ack 1 len 1"}},
		{
			"every second full segment is acknowledged", v6,
			[]event{data(server, 5*1440)},
			[]string{
				"< A 1 ack 1 len 1440", "< A 1441 ack 1 len 1440", "> A 1 ack 2881",
				"< A 2881 ack 1 len 1440", "< A 4321 ack 1 len 1440", "> A 1 ack 5761",
				"< PA 5761 ack 1 len 1440",
			},
		},
		{
			"records of TLS have segments of their own", v4,
			[]event{
				{kind: sent, from: client, data: []byte("\x17\x03\x03\x00\x02ab\x17\x03\x03\x00\x01c\x17\x03\x03\x00\x03de")},
				{kind: sent, from: client, data: []byte("f\x17\x03\x03\x00\x01g")},
			},
			[]string{"> A 1 ack 1 len 7", "> A 8 ack 1 len 6", "> PA 14 ack 1 len 7", "> A 21 ack 1 len 1", "> PA 22 ack 1 len 6"},
		},
		{
			"data acknowledges", v4,
			[]event{data(server, 1460), data(client, 5), data(server, 1460), data(server, 1460)},
			[]string{"< PA 1 ack 1 len 1460", "> PA 1 ack 1461 len 5", "< PA 1461 ack 6 len 1460", "< PA 2921 ack 6 len 1460", "> A 6 ack 4381"},
		},
		{
			"the client closes first", v4,
			[]event{data(client, 3), {kind: finished, from: client}, data(server, 2), {kind: finished, from: server}},
			[]string{"> PA 1 ack 1 len 3", "> FA 4 ack 1", "< A 1 ack 5", "< PA 1 ack 5 len 2", "< FA 3 ack 5", "> A 5 ack 4"},
		},
		{
			"reset", v4,
			[]event{data(client, 3), {kind: aborted, from: server}},
			[]string{"> PA 1 ack 1 len 3", "< RA 1 ack 4"},
		},
		{
			"what found no room", v4,
			[]event{{kind: sent, from: client, data: []byte{1}, lost: [2]int{100, 2000}}, {kind: finished, from: server, lost: [2]int{7, 0}}},
			[]string{"> PA 101 ack 2001 len 1", "< FA 2001 ack 109", "> A 109 ack 2002"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			// The numbers wrap around behind the SYN, and do not.
			for _, first := range []uint32{0, 1 << 32 / 2, 1<<32 - 1, 1<<32 - 3} {
				talk := newTalk(tt.ends, 1)
				base := [2]uint32{first, first + 7}
				talk.next = base
				if tt.events[0].kind != opened {
					talk.next[0]++
					talk.next[1]++
				}
				var got []string
				for i := range tt.events {
					if err := talk.take(&tt.events[i], func(p *packet) error { got = append(got, p.text(base)); return nil }); err != nil {
						t.Fatal(err)
					}
				}
				if d := cmp.Diff(tt.want, got); d != "" {
					t.Errorf("from %d (-want +got):\n%s", first, d)
				}
			}
		})
	}
}

// TestTalkStops at the first segment that cannot be written.
func TestTalkStops(t *testing.T) {
	failed, n := fmt.Errorf("full"), 0
	err := newTalk(ends{}, 1).take(&event{kind: opened}, func(*packet) error { n++; return failed })
	if err != failed || n != 1 { //nolint:errorlint // the very same
		t.Errorf("%d segments, %v", n, err)
	}
}

// TestClock: time stamps rise, whatever the clock does.
func TestClock(t *testing.T) {
	began := time.Unix(1_700_000_000, 5)
	c := clock{began: began}
	for _, tt := range []struct {
		at   time.Duration
		want int64 // since the capture began
	}{{0, 0}, {0, 1}, {10, 10}, {10, 11}, {-time.Hour, 12}, {5, 13}, {14, 14}, {time.Second, 1e9}, {time.Second - 1, 1e9 + 1}} {
		if got := int64(c.stamp(tt.at)) - began.UnixNano(); got != tt.want {
			t.Errorf("%v: %d, want %d", tt.at, got, tt.want)
		}
	}
}
