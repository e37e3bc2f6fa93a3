package nft

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	nl "github.com/mdlayher/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

func TestInspectOptionsValidate(t *testing.T) {
	for _, test := range []struct {
		o    InspectOptions
		want string // "" for valid
	}{
		{InspectOptions{}, ""},
		{InspectOptions{Queue: 65535}, ""},
		{InspectOptions{Queue: 1, Queues: 65535, Mask: ^uint32(0), Midstream: MidstreamCut, Hooks: []HookName{HookInput}}, ""},
		{InspectOptions{Queue: 65535, Queues: 2}, "65535"},
		{InspectOptions{Queues: 65535}, "65535"},
		{InspectOptions{Mask: 0x81}, "three bits"},
		{InspectOptions{Midstream: "drop"}, `"drop" is not watch, let or cut`},
		{InspectOptions{Hooks: []HookName{"prerouting"}}, `"prerouting" is not forward`},
		{InspectOptions{Hooks: []HookName{HookInput}, Loopback: true}, "in the hook output"},
		{InspectOptions{Statement: 3}, "QueueStatement(3)"},
		{InspectOptions{Scope: Scope{Interfaces: []string{"a b"}}}, "scope"},
	} {
		err := test.o.Validate()
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%+v: %v; want %q", test.o, err, test.want)
		}
	}
	if _, err := SetupInspect(InspectOptions{Mask: 1}); err == nil {
		t.Error("it was set up with too few bits")
	}
}

func TestMarks(t *testing.T) {
	for mask, want := range map[uint32]Marks{
		0:           {0x0e00_0000, 0x0200_0000, 0x0400_0000, 0x0600_0000, 0x0800_0000},
		0x8001_0002: {0x8001_0002, 0x2, 0x1_0000, 0x1_0002, 0x8000_0000},
		0xff:        {0xff, 1, 2, 3, 4},
	} {
		m := InspectOptions{Mask: mask}.Marks()
		if m != want {
			t.Errorf("%#x: %+v", mask, m)
		}
		for _, foreign := range []uint32{0, ^uint32(0)} {
			for got, want := range map[uint32]uint32{m.Settle(foreign): m.Settled, m.Block(foreign): m.Blocked, m.Drop(foreign): m.Dropped} {
				if got&m.Mask != want || got&^m.Mask != foreign&^m.Mask {
					t.Errorf("%#x: %#x of %#x", mask, got, foreign)
				}
			}
		}
	}
	if DefaultInspectMask&DefaultMask != 0 {
		t.Error("both tables have the same bits")
	}
}

func (h *host) teardownInspect() (bool, error) {
	var removed bool
	err := h.try(func() (err error) {
		removed, err = TeardownInspect()
		return err
	})
	return removed, err
}

func TestInspectLeavesOthersTables(t *testing.T) {
	nftTool(t)
	for _, o := range []InspectOptions{{}, {FailOpen: true}} {
		h := newHost(t)
		h.nft(strings.ReplaceAll(strings.ReplaceAll(foreignTables, "inet sstpwarden", "inet other"), "ip sstpwarden_proxy", "ip sstpwarden"), "-f", "-")
		h.setup(ProxyOptions{Mode: TPROXY, Port: proxyPort})
		before := h.dumpAll()
		in := h.inspect(o)
		if err := in.Ban(kinds(time.Hour)...); err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff(before, h.dumpUninspected()); diff != "" {
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
		if removed, err := h.teardownInspect(); removed || err != nil {
			t.Errorf("there was nothing to remove: %v, %v", removed, err)
		}
		if diff := cmp.Diff(before, h.dumpAll()); diff != "" {
			t.Errorf("teardown changed:\n%s", diff)
		}
	}
}

// The second takes the place of what the first left, as after a crash.
func TestSetupInspectTwice(t *testing.T) {
	h := newHost(t)
	empty := h.dumpAll()
	first := h.inspect(InspectOptions{Keep: true, FailOpen: true})
	once := h.dumpAll()
	if err := first.Close(); err != nil {
		t.Error(err)
	}
	if got := h.dumpAll(); !cmp.Equal(once, got) {
		t.Errorf("close did not keep it:\n%s", cmp.Diff(once, got))
	}
	in := h.inspect(InspectOptions{})
	if got := h.dumpAll(); len(got) != len(once) {
		t.Errorf("something is there twice:\n%q\n%q", once, got)
	}
	if removed, err := h.teardownInspect(); !removed || err != nil {
		t.Errorf("teardown: %v, %v", removed, err)
	}
	if diff := cmp.Diff(empty, h.dumpAll()); diff != "" {
		t.Errorf("teardown left:\n%s", diff)
	}
	if _, err := in.Counters(); !errors.Is(err, unix.ENOENT) {
		t.Errorf("counters of a table that somebody removed: %v", err)
	}
	if _, err := in.Bans(); !errors.Is(err, unix.ENOENT) {
		t.Errorf("bans of a table that somebody removed: %v", err)
	}
	if err := in.Ban(kinds(time.Hour)...); !errors.Is(err, unix.ENOENT) {
		t.Errorf("banning in a table that somebody removed: %v", err)
	}
}

// A table that somebody else made under this name goes, whatever is in it.
func TestSetupInspectOverAnother(t *testing.T) {
	nftTool(t)
	h := newHost(t)
	h.nft("table inet sstpwarden {\n set banned4 {\n type ipv4_addr\n elements = { 192.0.2.1 }\n }\n chain c {\n type filter hook forward priority 0; policy drop;\n }\n}", "-f", "-")
	in := h.inspect(InspectOptions{})
	if bans, err := in.Bans(); len(bans) != 0 || err != nil {
		t.Errorf("bans: %v, %v", bans, err)
	}
}

func TestSetupInspectInUse(t *testing.T) {
	h := newHost(t)
	in := h.inspect(InspectOptions{FailOpen: true})
	before := h.dumpAll()
	if err := h.try(func() error { _, err := SetupInspect(InspectOptions{}); return err }); !errors.Is(err, ErrInUse) {
		t.Errorf("setup: %v", err)
	}
	if _, err := h.teardownInspect(); !errors.Is(err, ErrInUse) {
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
}

// queues says by which expressions the inspector's rules queue packets: of the target, nft
// lists what iptables has installed to list it by.
func (h *host) queues() (native, compat bool) {
	h.t.Helper()
	h.do(func() error {
		conn, err := nl.Dial(unix.NETLINK_NETFILTER, nil)
		if err != nil {
			return err
		}
		defer conn.Close()
		rules, err := dumpObjects(conn, unix.NFT_MSG_GETRULE, unix.NFPROTO_INET)
		for _, r := range rules {
			if r.table == InspectTableName {
				native = native || bytes.Contains(r.data, []byte("\x00queue\x00"))
				compat = compat || bytes.Contains(r.data, []byte("\x00NFQUEUE\x00"))
			}
		}
		return err
	})
	return native, compat
}

// A kernel has one way to queue, or both. One that it has is what packets are queued by;
// a setup that asks for another fails, says why, and leaves what was there.
func TestSetupInspectStatement(t *testing.T) {
	h := newHost(t)
	var found QueueStatement
	h.do(func() (err error) {
		found, err = FindQueue()
		return err
	})
	h.inspect(InspectOptions{})
	for _, q := range queueStatements {
		before := h.dumpAll()
		var in *Inspection
		err := h.try(func() (err error) {
			in, err = SetupInspect(InspectOptions{Statement: q})
			return err
		})
		if err == nil {
			if native, compat := h.queues(); native != (q == QueueNative) || compat != (q == QueueCompat) {
				t.Errorf("%v: packets are queued by nft's statement %v, by the target %v", q, native, compat)
			}
			if err := in.Close(); err != nil {
				t.Error(err)
			}
			h.inspect(InspectOptions{})
			continue
		}
		var unsupported *UnsupportedError
		if q == found || !errors.As(err, &unsupported) || unsupported.Missing[0].Name != featureQueue.Name {
			t.Errorf("%v: %v", q, err)
		}
		if diff := cmp.Diff(before, h.dumpAll()); diff != "" {
			t.Errorf("%v: it changed:\n%s", q, diff)
		}
	}
}

// A setup that the kernel does not allow leaves what was there.
func TestSetupInspectFails(t *testing.T) {
	h := newHost(t)
	h.inspect(InspectOptions{})
	before := h.dumpAll()
	err := h.try(func() error { // on a thread that ends with it
		header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var none [2]unix.CapUserData
		if err := unix.Capset(&header, &none[0]); err != nil {
			return err
		}
		_, err := SetupInspect(InspectOptions{})
		return err
	})
	if !errors.Is(err, fs.ErrPermission) {
		t.Errorf("without capabilities: %v", err)
	}
	if diff := cmp.Diff(before, h.dumpAll()); diff != "" {
		t.Errorf("it changed:\n%s", diff)
	}
}

// A flag that no kernel knows stands for one that the kernel does not know yet.
func TestSetupInspectWithoutOwner(t *testing.T) {
	h := newHost(t)
	h.do(func() error {
		in, err := setupInspect(InspectOptions{FailOpen: true}.withDefaults(), 0x8000_0000)
		if err != nil {
			return err
		}
		var unsupported *UnsupportedError
		if err := in.Warning(); !errors.As(err, &unsupported) || unsupported.Missing[0].Name != featureOwner.Name {
			t.Errorf("warning: %v", err)
		}
		return in.Close()
	})
	if removed, err := h.teardownInspect(); removed || err != nil {
		t.Errorf("left: %v, %v", removed, err)
	}
}

// After SIGKILL what is not settled passes, or is stopped, as it was asked for; what is
// settled goes on.
func TestInspectorIsKilled(t *testing.T) {
	for _, failOpen := range []bool{true, false} {
		t.Run(fmt.Sprintf("failopen=%v", failOpen), func(t *testing.T) {
			l := newLab(t)
			o := InspectOptions{FailOpen: failOpen, Queues: 2, Scope: Scope{Ports: []PortRange{{80, 80}, {443, 443}}}}
			p := l.router.start(childOptions{Inspect: &o})
			if got := p.line(); got != "ready" {
				t.Fatal(got)
			}
			settled, err := l.client.dial("", server4, 443, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer settled.Close()
			echo := func() {
				t.Helper()
				fmt.Fprintf(settled, "hello\n")
				if got, err := line(settled); err != nil {
					t.Error(got, err)
				}
			}
			echo()
			for _, server := range []string{server4, server6} {
				if got, err := l.client.ask("", server, 80); !wasReset(err) {
					t.Errorf("%q, %v; want it blocked", got, err)
				}
			}
			p.kill()
			echo()
			for server, client := range map[string]string{server4: client4, server6: client6} {
				if failOpen {
					l.client.wantAnswer("", server, 80, "server "+client)
					l.client.wantAnswer("", server, 443, "server "+client)
				} else if !l.client.stopped(server, 80) || !l.client.stopped(server, 443) {
					t.Errorf("%s: a connection went past", server)
				}
				// Out of scope is out of scope.
				l.client.wantAnswer("", server, 8050, "server "+client)
			}

			// The next start is like the first.
			p = l.router.start(childOptions{Inspect: &o})
			if got := p.line(); got != "ready" {
				t.Fatal(got)
			}
			echo()
			l.client.wantAnswer("", server4, 443, "server "+client4)
			if got, err := l.client.ask("", server4, 80); !wasReset(err) {
				t.Errorf("%q, %v; want it blocked", got, err)
			}
			p.kill()
			if removed, err := l.router.teardownInspect(); err != nil || removed == failOpen {
				t.Errorf("teardown: %v, %v", removed, err)
			}
			if diff := cmp.Diff(l.router.dumpUninspected(), l.router.dumpAll()); diff != "" {
				t.Errorf("teardown left:\n%s", diff)
			}
			l.client.wantAnswer("", server4, 80, "server "+client4)
		})
	}
}

// Where the table itself stays, nobody reads the queue, and it is fail-open, all pass.
func TestBypassWithoutReader(t *testing.T) {
	l := newLab(t)
	in := l.router.inspect(InspectOptions{FailOpen: true, Keep: true})
	l.client.wantAnswer("", server4, 443, "server "+client4)
	l.client.wantAnswer("", server6, 443, "server "+client6)
	if got := counters(t, in); got[CountQueued].Packets < 6 {
		t.Errorf("counters: %v", got)
	}
	l.router.teardownInspect()
}

func TestCheckInspect(t *testing.T) {
	needRoot(t)
	before, err := netns.Get()
	if err != nil {
		t.Fatal(err)
	}
	defer before.Close()
	for _, failOpen := range []bool{true, false} {
		features, err := CheckInspect(InspectOptions{FailOpen: failOpen})
		if want := map[bool]int{true: 13, false: 12}[failOpen]; err != nil || len(features) != want {
			t.Errorf("%v, %d features, want %d", err, len(features), want)
		}
		for _, f := range features {
			if f.Err != nil || f.Text == "" || f.Need == "" {
				t.Errorf("%v", f)
			}
			if f.Name == featureQueue.Name && f.Text != QueueNative.String() && f.Text != QueueCompat.String() {
				t.Errorf("how packets are queued is not said: %v", f.Text)
			}
		}
	}
	after, err := netns.Get()
	if err != nil || !after.Equal(before) {
		t.Errorf("the namespace is another: %v", err)
	}
	after.Close()
}

// writeSettings stands for a folder below /proc/sys.
func writeSettings(t *testing.T, values map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, value := range values {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(value+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestCheckSettings(t *testing.T) {
	const loose, count, limit = "nf_conntrack_tcp_loose", "nf_conntrack_count", "nf_conntrack_max"
	for _, test := range []struct {
		values      map[string]string
		loose, room bool
	}{
		{nil, true, true},
		{map[string]string{loose: "1", count: "0", limit: "262144"}, true, true},
		{map[string]string{loose: "0", count: "799", limit: "1000"}, false, true},
		{map[string]string{loose: "1", count: "800", limit: "1000"}, true, false},
		{map[string]string{count: "800", limit: "0"}, true, true}, // no limit
	} {
		dir := writeSettings(t, test.values)
		if f := checkLoose(dir); (f.Err == nil) != test.loose || f.Optional == "" {
			t.Errorf("%v: %v", test.values, f)
		}
		if f := checkRoom(dir); (f.Err == nil) != test.room || f.Optional == "" {
			t.Errorf("%v: %v", test.values, f)
		}
	}
}

// A flowtable, where the kernel has such, is found in whatever table.
func TestCheckOffload(t *testing.T) {
	nftTool(t)
	h := newHost(t)
	const table = "table ip other {\n flowtable fast {\n hook ingress priority filter\n devices = { lo }\n }\n}"
	_, made := h.command(table, "nft", "-f", "-")
	h.do(func() error {
		f, err := checkOffload(InspectOptions{})
		if found := f.Err != nil; found != (made == nil) {
			t.Errorf("%v", f)
		}
		if made == nil && !strings.Contains(f.Err.Error(), "fast of table other") {
			t.Error(f.Err)
		}
		if want := "ct mark & 0x0e000000 == 0x02000000 flow add"; !strings.Contains(f.Need, want) {
			t.Errorf("%q does not say %q", f.Need, want)
		}
		return err
	})
}
