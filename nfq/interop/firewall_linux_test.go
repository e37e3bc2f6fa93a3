package interop

import (
	"fmt"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"sstpwarden/pcaps/netlab"
	"sstpwarden/pcaps/netlab/labtest"
)

// foreign is what others have in the firewall: a filter, address translation, marks, and
// somebody who looks at marks after us. Ours are the bits 0x0e000000.
const foreign = `
table inet filter {
	set known {
		type ipv4_addr
		flags interval
		elements = { 192.0.2.0/25, 192.0.2.200 }
	}
	chain input {
		type filter hook input priority filter; policy accept;
		tcp dport 9999 drop
	}
	chain forward {
		type filter hook forward priority filter; policy accept;
		ct state established,related accept
		ip saddr @known drop
		ip6 saddr 2001:db8::/32 reject with icmpv6 admin-prohibited
	}
}
table ip nat {
	chain prerouting {
		type nat hook prerouting priority dstnat; policy accept;
		tcp dport 2222 dnat to 10.2.0.2:443
	}
	chain postrouting {
		type nat hook postrouting priority srcnat; policy accept;
		oifname "outside" masquerade
	}
}
table ip6 nat6 {
	chain postrouting {
		type nat hook postrouting priority srcnat; policy accept;
		oifname "outside" masquerade
	}
}
table inet mangle {
	chain prerouting {
		type filter hook prerouting priority mangle; policy accept;
		meta l4proto tcp meta mark set 0x10000010
		ct state new ct mark set 0x10000005
	}
}
table inet later {
	counter packet_mark { }
	counter connection_mark { }
	counter right { }
	chain forward {
		type filter hook forward priority filter + 300; policy accept;
		meta l4proto != tcp accept
		meta mark != 0x10000010 counter name packet_mark
		ct mark & 0xf1ffffff != 0x10000005 counter name connection_mark
		meta mark 0x10000010 ct mark & 0xf1ffffff == 0x10000005 counter name right
	}
}
`

// ourTable is ours in what nft lists, with the line before that says it is of
// iptables-nft, because of how packets are queued where the kernel has no other way.
var ourTable = regexp.MustCompile(`(?ms)^(# Warning: table inet sstpwarden [^\n]*\n)?table inet sstpwarden \{.*?^\}\n`)

// What others have in the firewall is byte for byte the same whatever becomes of us, and
// so are the marks that others give.
func TestOthersTables(t *testing.T) {
	for _, fail := range []string{"open", "closed"} {
		t.Run(fail, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, "nft")
			l.Run(l.Router, "nft", "-f", l.File("foreign.nft", foreign))
			l.web()
			v := l.vpn(labtest.VPN{Profile: "rras", TLS: "1.2", Host: netlab.Server4, Port: "4443"})
			list := func() string { return l.Run(l.Router, "nft", "-s", "list", "ruleset") }
			before := list()
			for _, name := range []string{"filter", "nat", "nat6", "mangle", "later"} {
				if !strings.Contains(before, " "+name+" {") {
					t.Fatalf("the table %s is missing:\n%s", name, before)
				}
			}
			check := func(when string, ours bool) {
				t.Helper()
				now := list()
				if others := ourTable.ReplaceAllString(now, ""); others != before {
					t.Errorf("%s others have\n%s\nand had\n%s", when, others, before)
				}
				if got := ourTable.MatchString(now); got != ours {
					t.Errorf("%s it is %v that there is a table of ours", when, got)
				}
			}
			use := func() {
				t.Helper()
				for _, x := range [][2]string{{netlab.Client4, http2v4}, {netlab.Client6, http2v6}, {netlab.Client4, plain4}, {netlab.Client4b, "https://" + netlab.Server4 + ":2222"}} {
					if err := l.once(x[0], x[1]+"/3000000"); err != nil {
						t.Error(err)
					}
				}
				if c := v.call("sstpc", 1000); c.Status != 1 || c.Checked {
					t.Errorf("a tunnel comes to %+v", c)
				}
				l.checkMarks()
			}
			args := []string{"--fail", fail}
			w := l.warden(args...)
			check("started,", true)
			use()
			check("used,", true)
			reloads := w.Metric(`reloads_total{component="policies",result="success"}`)
			w.Signal(syscall.SIGHUP)
			l.Eventually("it is reloaded", func() bool { return w.Metric(`reloads_total{component="policies",result="success"}`) > reloads })
			check("reloaded,", true)
			w.Kill()
			check("killed,", fail == "closed")
			w = l.warden(args...)
			check("started again,", true)
			use()
			w.Stop()
			check("stopped,", false)
			w = l.warden(append(args, "--keep")...)
			w.Stop()
			check("kept,", true)
			l.Run(l.Router, labtest.Sstpwarden, "nfq", "--remove")
			check("removed,", false)
		})
	}
}

var seen = regexp.MustCompile(`counter (\w+) \{\s*packets (\d+) `)

// checkMarks checks that others found their marks on all packets and connections.
func (l *lab) checkMarks() {
	l.T.Helper()
	list := l.Run(l.Router, "nft", "list", "table", "inet", "later")
	counts := map[string]string{}
	for _, m := range seen.FindAllStringSubmatch(list, -1) {
		counts[m[1]] = m[2]
	}
	if len(counts) != 3 || counts["packet_mark"] != "0" || counts["connection_mark"] != "0" || counts["right"] == "0" {
		l.T.Errorf("marks of others: %v", counts)
	}
	err := l.Router.Do(func() error {
		marks := map[uint32]int{}
		for _, family := range []netlink.InetFamily{unix.AF_INET, unix.AF_INET6} {
			flows, err := netlink.ConntrackTableList(netlink.ConntrackTable, family)
			if err != nil {
				return err
			}
			for _, f := range flows {
				if f.Forward.Protocol == unix.IPPROTO_TCP {
					marks[f.Mark]++
				}
			}
		}
		for mark := range marks {
			if mark&^0x0e00_0000 != 0x1000_0005 {
				return fmt.Errorf("connections have the marks %#x", marks)
			}
		}
		if len(marks) < 2 { // settled and blocked ones
			return fmt.Errorf("connections have the marks %#x alone", marks)
		}
		return nil
	})
	if err != nil {
		l.T.Error(err)
	}
}
