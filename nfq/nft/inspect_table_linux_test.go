package nft

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/nftables"
	"github.com/google/nftables/expr"
)

// inspectTables are the inspector's tables of which the text is kept in testdata.
var inspectTables = []struct {
	file string
	o    InspectOptions
}{
	{"inspect.nft", InspectOptions{}},
	{"inspect-open.nft", InspectOptions{FailOpen: true, Queues: 4, Hooks: []HookName{HookForward}, Statement: QueueCompat, Midstream: MidstreamLet}},
	{"inspect-scope.nft", InspectOptions{
		Queue: 7, Mask: 0x0000_0700, Midstream: MidstreamCut, BanMax: 100, Loopback: true, Statement: QueueNative,
		Scope: Scope{
			Interfaces: []string{"eth1", "br-lan.20"},
			Networks:   prefixes("10.0.0.0/8", "fd00::/8"),
			Ports:      []PortRange{{443, 443}, {8000, 8100}},
			Exclude:    prefixes("192.0.2.0/24", "2001:db8::/32"),
		},
	}},
	{"inspect-ipv4.nft", InspectOptions{Hooks: []HookName{HookInput, HookOutput}, Scope: Scope{Networks: prefixes("10.0.0.0/8"), Exclude: prefixes("::/0")}}},
}

func TestInspectTableText(t *testing.T) {
	for _, test := range inspectTables {
		file := filepath.Join("testdata", test.file)
		got := InspectTable(test.o).String()
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

// withoutQueue has a rule that accepts where there was one that queues.
func withoutQueue(t Table) Table {
	for _, c := range t.Chains {
		for _, r := range c.Rules {
			for i, s := range r.Statements {
				if strings.HasPrefix(s.Text, "queue ") {
					r.Statements[i] = accept()
				}
			}
		}
	}
	return t
}

// What the kernel gets by netlink is what nft makes of the text, but for the queue
// statement, which not all kernels have.
func TestInspectTextIsTheTable(t *testing.T) {
	nftTool(t)
	for _, test := range inspectTables {
		t.Run(test.file, func(t *testing.T) {
			table := withoutQueue(InspectTable(test.o))
			table.addBans([]Ban{
				{Client: addr("10.1.0.2"), Server: service("10.2.0.2:443"), For: time.Hour},
				{Server: service("[fd00::1]:444"), For: time.Hour},
			})
			byText, byNetlink := newHost(t), newHost(t)
			byText.nft(table.String(), "-c", "-f", "-")
			byText.nft(table.Script(), "-f", "-")
			byText.nft(table.Script(), "-f", "-") // takes the place of what is there
			byNetlink.do(func() error {
				conn, err := dial()
				if err != nil {
					return err
				}
				defer conn.CloseLasting()
				return table.install(conn, 0)
			})
			list := func(h *host) string {
				lines := strings.Split(h.nft("", "-n", "list", "table", "inet", InspectTableName), "\n")
				for i, l := range lines {
					lines[i], _, _ = strings.Cut(l, " expires ") // it runs
				}
				return strings.Join(lines, "\n")
			}
			if diff := cmp.Diff(list(byText), list(byNetlink)); diff != "" {
				t.Errorf("nft's (-) and ours (+) differ:\n%s", diff)
			}
		})
	}
}

// The kernel has the queues as they were asked for, and the text says by what.
func TestQueueStatement(t *testing.T) {
	var kernel QueueStatement
	newHost(t).do(func() (err error) {
		kernel, err = FindQueue()
		return err
	})
	for _, o := range []InspectOptions{{Queue: 7}, {Queue: 7, Queues: 4, FailOpen: true}, {Queues: 65535 - DefaultQueue, Statement: kernel}} {
		h := newHost(t)
		in := h.inspect(o)
		o = o.withDefaults()
		var got []expr.Any
		h.do(func() error {
			rules, err := in.conn.GetRules(&nftables.Table{Name: InspectTableName, Family: nftables.TableFamilyINet}, &nftables.Chain{Name: chainWatched})
			if err == nil {
				got = rules[len(rules)-1].Exprs[1:] // after the counter
			}
			return err
		})
		want := queueTo(kernel, o.Queue, o.Queues, o.FailOpen).Exprs
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%+v:\n%s", o, diff)
		}
		if text := in.Table().String(); strings.HasPrefix(text, "# This kernel has no queue statement.") != (kernel == QueueCompat) {
			t.Errorf("%v: the text is of something else:\n%s", kernel, text)
		}
	}
}

// To find out leaves nothing, and takes no more than to install.
func TestFindQueue(t *testing.T) {
	h := newHost(t)
	before := h.dumpAll()
	h.do(func() error {
		q, err := FindQueue()
		if q.String() == QueueStatement(0).String() {
			t.Error(q)
		}
		return err
	})
	if diff := cmp.Diff(before, h.dumpAll()); diff != "" {
		t.Errorf("it left:\n%s", diff)
	}
}
