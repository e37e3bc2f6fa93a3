package event

import (
	"net/netip"
	"testing"
	"time"

	"sstpwarden/inspect"
)

// The rows with TCP of baseline/README.md and baseline/baseline_deflt.json in
// github.com/corelight/community-id-spec, and the first with IPv4 as IPv6.
func TestCommunityID(t *testing.T) {
	tests := []struct{ client, server, want string }{
		{"1.2.3.4:1122", "5.6.7.8:3344", "1:wCb3OG7yAFWelaUydu0D+125CLM="},
		{"[::ffff:1.2.3.4]:1122", "[::ffff:5.6.7.8]:3344", "1:wCb3OG7yAFWelaUydu0D+125CLM="},
		{"128.232.110.120:34855", "66.35.250.204:80", "1:LQU9qZlK+B5F3KDmev6m5PMibrg="},
		{"[2001:470:e5bf:dead:4957:2174:e82c:4887]:63943", "[2607:f8b0:400c:c03::1a]:25", "1:/qFaeAR+gFe1KYjMzVDsMv+wgU4="},
	}
	for _, tt := range tests {
		key := inspect.FlowKey{Client: netip.MustParseAddrPort(tt.client), Server: netip.MustParseAddrPort(tt.server)}
		if got := CommunityID(key); got != tt.want {
			t.Errorf("%v: got %s, want %s", key, got, tt.want)
		}
		if got := CommunityID(inspect.FlowKey{Client: key.Server, Server: key.Client}); got != tt.want {
			t.Errorf("%v the other way round: got %s, want %s", key, got, tt.want)
		}
	}
}

// Where the addresses are equal, the ports order the ends.
func TestCommunityIDPorts(t *testing.T) {
	a, b := netip.MustParseAddrPort("127.0.0.1:80"), netip.MustParseAddrPort("127.0.0.1:1234")
	one := CommunityID(inspect.FlowKey{Client: a, Server: b})
	if other := CommunityID(inspect.FlowKey{Client: b, Server: a}); one != other {
		t.Errorf("%s one way, %s the other", one, other)
	}
}

func TestFlowID(t *testing.T) {
	key := inspect.FlowKey{
		Client: netip.MustParseAddrPort("10.0.0.1:1234"),
		Server: netip.MustParseAddrPort("10.0.0.2:443"),
	}
	id := flowID(key, start)
	const want = 3110707459686853 // of this key at this time, for ever
	if id != want {
		t.Errorf("got %d, want %d", id, want)
	}
	mapped := inspect.FlowKey{
		Client: netip.AddrPortFrom(netip.AddrFrom16(key.Client.Addr().As16()), 1234),
		Server: key.Server,
	}
	if got := flowID(mapped, start.In(time.FixedZone("", 3600))); got != id {
		t.Errorf("written otherwise: got %d, want %d", got, id)
	}
	ids := map[uint64]bool{id: true}
	for i := range 1000 {
		id := flowID(key, start.Add(time.Duration(i+1)))
		if id >= 1<<flowIDBits || ids[id] {
			t.Fatalf("id %d is too large or not the only one", id)
		}
		ids[id] = true
	}
	if other := flowID(inspect.FlowKey{Client: key.Server, Server: key.Client}, start); ids[other] {
		t.Error("the other way round is the same connection")
	}
}
