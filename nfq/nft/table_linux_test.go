package nft

import (
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the expected texts in testdata")

// tables are the proxy's tables of which the text is kept in testdata.
var tables = []struct {
	file string
	o    ProxyOptions
}{
	{"redirect.nft", ProxyOptions{Mode: Redirect, Port: 3129}},
	{"redirect-scope.nft", ProxyOptions{Mode: Redirect, Port: 3129, Local: true, Mark: 0x100, Mask: 0xff00, Scope: Scope{
		Interfaces: []string{"eth1", "br-lan.20", "eth1"},
		Networks:   prefixes("10.0.0.0/8", "192.168.7.1/32", "10.1.0.0/16", "fd00::/8"),
		Ports:      []PortRange{{443, 443}, {8000, 8100}, {60000, 65535}},
		Exclude:    prefixes("192.0.2.0/24", "224.0.0.0/3", "2001:db8::/32", "2001:db9::1/128"),
	}}},
	{"tproxy-open.nft", ProxyOptions{Mode: TPROXY, Port: 3129, FailOpen: true}},
	{"tproxy-scope.nft", ProxyOptions{Mode: TPROXY, Port: 3129, Scope: Scope{
		Networks: prefixes("0.0.0.0/0"),
		Ports:    []PortRange{{1, 65535}},
		Exclude:  prefixes("::/0", "0.0.0.0/1", "128.0.0.0/1"),
	}}},
}

func TestTableText(t *testing.T) {
	for _, test := range tables {
		file := filepath.Join("testdata", test.file)
		got := ProxyTable(test.o).String()
		if *update {
			if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if diff := cmp.Diff(string(want), got); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", test.file, err, diff)
		}
	}
}

// What the kernel gets by netlink is what nft makes of the text.
func TestTextIsTheTable(t *testing.T) {
	nftTool(t)
	for _, test := range tables {
		t.Run(test.file, func(t *testing.T) {
			o := test.o
			o.FailOpen = false // nft's list tells of an owner
			byText, byNetlink := newHost(t), newHost(t)
			text := ProxyTable(o)
			byText.nft(text.String(), "-c", "-f", "-")
			byText.nft(text.Script(), "-f", "-")
			byText.nft(text.Script(), "-f", "-") // takes the place of what is there
			byNetlink.setup(o)
			list := []string{"-n", "list", "table", "inet", ProxyTableName}
			if diff := cmp.Diff(byText.nft("", list...), byNetlink.nft("", list...)); diff != "" {
				t.Errorf("nft's (-) and ours (+) differ:\n%s", diff)
			}
		})
	}
}

// The elements of a long scope do not fit into one message.
func TestLongScope(t *testing.T) {
	var scope Scope
	for i := range 20_000 {
		scope.Networks = append(scope.Networks, netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 0}), 25))
		if i%4 == 1 {
			scope.Ports = append(scope.Ports, PortRange{uint16(i), uint16(i) + 1})
		}
	}
	in := newHost(t).setup(ProxyOptions{Mode: Redirect, Port: proxyPort, Scope: scope})
	if _, err := in.Counters(); err != nil {
		t.Error(err)
	}
	if got := len(in.Table().Sets[0].Elements); got != 20_000 {
		t.Errorf("%d elements", got)
	}
}
