package sstpref

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestParseFaults(t *testing.T) {
	got, err := ParseFaults([]string{
		"split=1+300", "split-header", "join=1000", "delay=call_connect_ack:2s", "drop=echo_response", "drop=ppp",
		"corrupt=data", "slow-read=100", "fragment-hello-records=7",
	})
	want := Faults{
		Split: []int{1, 300}, SplitHeader: true, Join: 1000, JoinTime: joinTime,
		Delay: map[string]time.Duration{"call_connect_ack": 2 * time.Second},
		Drop:  map[string]bool{"echo_response": true, "ppp": true}, Corrupt: map[string]bool{"data": true},
		SlowRead: 100, FragmentHello: 7, FragmentRecords: true,
	}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v, (-want +got):\n%s", err, diff)
	}
	for _, tt := range []struct{ fault, err string }{
		{"nonsense", `no fault is called "nonsense"; there are corrupt=PACKET, delay=`},
		{"split", `fault "split": write split=BYTES[+BYTES...]`},
		{"split=0", `fault "split=0": "0" is no number of bytes above 0`},
		{"split=1+x", `"x" is no number`},
		{"nak=1", `fault "nak=1": write nak`},
		{"drop=everything", `"everything" is no packet; there are call_connect_request, call_connect_ack,`},
		{"delay=data", `"" is no time`},
		{"delay=data:-1s", `"-1s" is no time`},
	} {
		if _, err := ParseFaults([]string{tt.fault}); err == nil || !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%s: got %v, want %q in it", tt.fault, err, tt.err)
		}
	}
}

// Every fault that is listed can be given as it is listed.
func TestFaultNames(t *testing.T) {
	values := strings.NewReplacer("BYTES[+BYTES...]", "10", "BYTES", "10", "PACKET:TIME", "data:1s", "PACKET", "data")
	usage, help := FaultNames()
	for i, u := range usage {
		f, err := ParseFaults([]string{values.Replace(u)})
		if err != nil || cmp.Equal(f, Faults{}) || help[i] == "" {
			t.Errorf("%s (%s): %v, %+v", u, help[i], err, f)
		}
	}
}
