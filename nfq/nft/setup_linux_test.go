package nft

import (
	"errors"
	"io/fs"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/google/nftables/xt"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

const foreignTables = `
	table inet sstpwarden {
		chain prerouting {
			type filter hook prerouting priority filter
			meta mark & 0x30000000 == 0x10000000 counter
		}
	}
	table ip sstpwarden_proxy {
		set some {
			type ipv4_addr . inet_service
			flags interval
			elements = { 192.0.2.0/24 . 443 }
		}
		counter seen {
			packets 3 bytes 5
		}
		chain prerouting {
			type nat hook prerouting priority dstnat
			ip daddr . tcp dport @some counter name seen redirect to :99 comment "proxied"
		}
	}
	table ip6 nat {
		chain postrouting {
			type nat hook postrouting priority srcnat
			oifname "none0" masquerade
		}
	}`

// addForeign makes what has to stay: tables, some with names like ours, and routing by the
// same mark.
func (h *host) addForeign() {
	h.t.Helper()
	h.nft(foreignTables, "-f", "-")
	h.do(func() error {
		r := netlink.NewRule()
		r.Family, r.Priority, r.Table, r.Mark, r.Mask = unix.AF_INET, rulePriority, 77, 0x2000_0000, new(DefaultMask)
		route := localDefault(unix.AF_INET, 77)
		route.Protocol = unix.RTPROT_STATIC
		return errors.Join(netlink.RuleAdd(r), netlink.RouteAdd(route))
	})
}

func TestOthersStay(t *testing.T) {
	nftTool(t)
	modes(t, func(t *testing.T, o ProxyOptions) {
		h := newHost(t)
		h.addForeign()
		before := h.dumpAll()
		in := h.setup(o)
		if diff := cmp.Diff(before, h.dumpOthers()); diff != "" {
			t.Errorf("setup changed:\n%s", diff)
		}
		if cmp.Equal(before, h.dumpAll()) {
			t.Error("setup did nothing")
		}
		if err := in.Close(); err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff(before, h.dumpAll()); diff != "" {
			t.Errorf("close left or changed:\n%s", diff)
		}
		if removed, err := h.teardown(); removed != nil || err != nil {
			t.Errorf("there was nothing to remove: %q, %v", removed, err)
		}
		if diff := cmp.Diff(before, h.dumpAll()); diff != "" {
			t.Errorf("teardown changed:\n%s", diff)
		}
	})
}

// The second Setup finds what the first left, as after a crash.
func TestSetupTwice(t *testing.T) {
	h := newHost(t)
	empty := h.dumpAll()
	o := ProxyOptions{Mode: TPROXY, Port: proxyPort}
	h.setup(o)
	first := h.dumpAll()
	in := h.setup(o)
	if diff := cmp.Diff(len(first), len(h.dumpAll())); diff != "" {
		t.Errorf("something is there twice:\n%q\n%q", first, h.dumpAll())
	}
	// With other options nothing of the first is left over.
	o.Mark, o.Mask, o.Table = 1, 3, 100
	h.setup(o)
	if got := h.dumpAll(); len(got) != len(first) {
		t.Errorf("%q\n%q", first, got)
	}
	routing, err := h.teardown()
	want := []string{
		"table inet " + ProxyTableName,
		"IPv4 rule for mark 0x2 to table 100", "IPv4 route in table 100",
		"IPv6 rule for mark 0x2 to table 100", "IPv6 route in table 100",
	}
	if diff := cmp.Diff(want, routing); diff != "" || err != nil {
		t.Errorf("teardown: %v\n%s", err, diff)
	}
	if diff := cmp.Diff(empty, h.dumpAll()); diff != "" {
		t.Errorf("teardown left:\n%s", diff)
	}
	if _, err := in.Counters(); !errors.Is(err, unix.ENOENT) {
		t.Errorf("counters of a table that somebody removed: %v", err)
	}
	// A change of mode takes the routing away.
	h.setup(o)
	h.setup(ProxyOptions{Mode: Redirect, Port: proxyPort})
	if routing, err := h.teardown(); err != nil || len(routing) != 1 {
		t.Errorf("teardown after a change of mode: %q, %v", routing, err)
	}
}

func TestSetupInUse(t *testing.T) {
	modes(t, func(t *testing.T, o ProxyOptions) {
		if !o.FailOpen {
			return // a table without an owner cannot be told from one of a crash
		}
		h := newHost(t)
		in := h.setup(o)
		before := h.dumpAll()
		o.Mark, o.Mask = 1, 3
		if err := h.try(func() error { _, err := Setup(o); return err }); !errors.Is(err, ErrInUse) {
			t.Errorf("setup: %v", err)
		}
		if _, err := h.teardown(); !errors.Is(err, ErrInUse) {
			t.Errorf("teardown: %v", err)
		}
		if diff := cmp.Diff(before, h.dumpAll()); diff != "" {
			t.Errorf("it changed:\n%s", diff)
		}
		if err := errors.Join(in.Close(), in.Close()); err != nil {
			t.Error(err)
		}
		if _, err := in.Counters(); !errors.Is(err, fs.ErrClosed) {
			t.Errorf("counters: %v", err)
		}
		h.setup(o)
	})
}

func TestSetupInvalid(t *testing.T) {
	if _, err := Setup(ProxyOptions{}); err == nil {
		t.Error("it took no options at all")
	}
}

func TestSetupTableInUse(t *testing.T) {
	h := newHost(t)
	h.do(func() error {
		route := localDefault(unix.AF_INET, 100)
		route.Protocol = unix.RTPROT_STATIC
		return netlink.RouteAdd(route)
	})
	before := h.dumpAll()
	err := h.try(func() error {
		_, err := Setup(ProxyOptions{Mode: TPROXY, Port: proxyPort, Table: 100})
		return err
	})
	if err == nil || !strings.Contains(err.Error(), "table 100: ") || !strings.Contains(err.Error(), "choose one that is empty") {
		t.Errorf("got %v", err)
	}
	if diff := cmp.Diff(before, h.dumpAll()); diff != "" {
		t.Errorf("it left or changed:\n%s", diff)
	}
}

// Without IPv6 there is nothing to route.
func TestSetupWithoutIPv6(t *testing.T) {
	h := newHost(t)
	h.sysctl("ipv6/conf/all/disable_ipv6", "1")
	in := h.setup(ProxyOptions{Mode: TPROXY, Port: proxyPort})
	if err := in.Close(); err != nil {
		t.Error(err)
	}
	if removed, err := h.teardown(); removed != nil || err != nil {
		t.Errorf("left: %q, %v", removed, err)
	}
}

// A flag that no kernel knows stands for one that the kernel does not know yet.
func TestSetupWithoutOwner(t *testing.T) {
	h := newHost(t)
	h.do(func() error {
		in, err := setup(ProxyOptions{Mode: Redirect, Port: proxyPort, FailOpen: true}.withDefaults(), 0x8000_0000)
		if err != nil {
			return err
		}
		var unsupported *UnsupportedError
		if err := in.Warning(); !errors.As(err, &unsupported) || unsupported.Missing[0].Name != featureOwner.Name {
			t.Errorf("warning: %v", err)
		}
		if _, err := in.Counters(); err != nil {
			t.Error(err)
		}
		return in.Close()
	})
	if removed, err := h.teardown(); removed != nil || err != nil {
		t.Errorf("left: %q, %v", removed, err)
	}
}

func TestCheck(t *testing.T) {
	needRoot(t)
	before, err := netns.Get()
	if err != nil {
		t.Fatal(err)
	}
	defer before.Close()
	for mode, want := range map[Mode]int{Redirect: 6, TPROXY: 9} {
		features, err := Check(mode)
		if err != nil || len(features) != want {
			t.Errorf("%v: %v, %d features, want %d", mode, err, len(features), want)
		}
		for _, f := range features {
			if f.Err != nil || f.Text == "" || f.Need == "" {
				t.Errorf("%v: %v", mode, f)
			}
		}
	}
	after, err := netns.Get()
	if err != nil || !after.Equal(before) {
		t.Errorf("the namespace is another: %v", err)
	}
	after.Close()
}

// noSuch is an expression that no kernel has.
func noSuch() Statement {
	info := xt.Unknown(make([]byte, 8))
	return Statement{"none", []expr.Any{&expr.Target{Name: "SSTPWARDEN", Info: &info}}}
}

func TestExplain(t *testing.T) {
	needRoot(t)
	probes := append(proxyProbes(TPROXY), probe{Feature{Name: "none", Need: "CONFIG_NONE"}, try(nftables.ChainTypeFilter, noSuch())})
	err := explain(unix.ENOENT, probes)
	var unsupported *UnsupportedError
	if !errors.As(err, &unsupported) || len(unsupported.Missing) != 1 || unsupported.Missing[0].Name != "none" {
		t.Errorf("%v", err)
	}
	if err := explain(unix.ENOENT, proxyProbes(Redirect)); errors.As(err, &unsupported) || !errors.Is(err, unix.ENOENT) {
		t.Errorf("nothing is missing: %v", err)
	}
	if err := explain(unix.EPERM, probes); !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), "CAP_NET_ADMIN") {
		t.Errorf("%v", err)
	}
}
