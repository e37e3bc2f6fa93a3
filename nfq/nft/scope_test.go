package nft

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

var compareNetip = cmpopts.EquateComparable(netip.Prefix{})

func prefixes(list ...string) []netip.Prefix {
	var ps []netip.Prefix
	for _, s := range list {
		ps = append(ps, netip.MustParsePrefix(s))
	}
	return ps
}

func TestParseScope(t *testing.T) {
	for _, test := range []struct {
		items []string
		want  Scope
		text  string
	}{
		{nil, Scope{}, "all TCP"},
		{[]string{"interface=eth1", "interface=br-lan.20"}, Scope{Interfaces: []string{"eth1", "br-lan.20"}}, "interface=eth1 interface=br-lan.20"},
		{[]string{"network=10.0.0.0/8", "network=fd00::/8"}, Scope{Networks: prefixes("10.0.0.0/8", "fd00::/8")}, "network=10.0.0.0/8 network=fd00::/8"},
		{[]string{"network=192.0.2.1", "network=2001:db8::1"}, Scope{Networks: prefixes("192.0.2.1/32", "2001:db8::1/128")}, "network=192.0.2.1/32 network=2001:db8::1/128"},
		{[]string{"port=443", "port=8000-8100", "port=1-65535", "port=7-7"}, Scope{Ports: []PortRange{{443, 443}, {8000, 8100}, {1, 65535}, {7, 7}}}, "port=443 port=8000-8100 port=1-65535 port=7"},
		{[]string{"exclude=192.0.2.0/24", "port=443", "exclude=::/0"}, Scope{Ports: []PortRange{{443, 443}}, Exclude: prefixes("192.0.2.0/24", "::/0")}, "port=443 exclude=192.0.2.0/24 exclude=::/0"},
	} {
		got, err := ParseScope(test.items)
		if diff := cmp.Diff(test.want, got, compareNetip); diff != "" || err != nil {
			t.Errorf("%q: %v\n%s", test.items, err, diff)
		}
		if got.String() != test.text {
			t.Errorf("%q: String gives %q, want %q", test.items, got, test.text)
		}
		if err := got.Validate(); err != nil {
			t.Errorf("%q: %v", test.items, err)
		}
	}
}

func TestParseScopeErrors(t *testing.T) {
	for item, want := range map[string]string{
		"":                             "want interface=",
		"eth1":                         "want interface=",
		"iface=eth1":                   `"iface" is not interface`,
		"Interface=eth1":               `"Interface" is not`,
		"interface=":                   "no name",
		"interface=averylonginterface": "at most 15",
		"interface=wg*":                "no wildcards",
		"interface=ppp+":               "no wildcards",
		"interface=..":                 "not a name",
		"interface=a b":                "cannot be in",
		"interface=a\"b":               "cannot be in",
		"interface=a/b":                "cannot be in",
		"interface=ä":                  "cannot be in",
		"network=":                     "not a network or address",
		"network=10.0.0":               "not a network or address",
		"network=10.0.0.0/33":          "not a network",
		"network=10.0.0.1/8":           "did you mean 10.0.0.0/8?",
		"network=fe80::1%eth0":         "interface=",
		"network=::ffff:10.0.0.1":      "written as such",
		"exclude=example.com":          "not a network or address",
		"exclude=2001:db8::1/32":       "did you mean 2001:db8::/32?",
		"port=":                        "not a port",
		"port=0":                       "ports begin at 1",
		"port=65536":                   "not a port",
		"port=https":                   "not a port",
		"port=-1":                      "not a port",
		"port=443-":                    "not a port",
		"port=8100-8000":               "did you mean 8000-8100?",
		"port=1-2-3":                   "not a port",
	} {
		_, err := ParseScope([]string{"port=80", item})
		var scopeErr *ScopeError
		if !errors.As(err, &scopeErr) || scopeErr.Item != item || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v; want %q", item, err, want)
		}
	}
}

func TestScopeValidate(t *testing.T) {
	for item, s := range map[string]Scope{
		"interface=":             {Interfaces: []string{""}},
		"network=invalid Prefix": {Networks: []netip.Prefix{{}}},
		"port=0-5":               {Ports: []PortRange{{0, 5}}},
		"exclude=10.0.0.1/8":     {Exclude: prefixes("10.0.0.1/8")},
	} {
		var scopeErr *ScopeError
		if err := s.Validate(); !errors.As(err, &scopeErr) || scopeErr.Item != item {
			t.Errorf("%+v: %v; want it to name %q", s, err, item)
		}
	}
}

// The kernel takes neither intervals that overlap nor elements twice.
func TestScopeIsMadeDisjoint(t *testing.T) {
	networks := prefixes("10.1.0.0/16", "fd00::/8", "10.0.0.0/8", "fd00::/16", "10.0.0.0/8", "11.0.0.0/8", "192.0.2.1/32", "0.0.0.0/5")
	if diff := cmp.Diff(prefixes("0.0.0.0/5", "10.0.0.0/8", "11.0.0.0/8", "192.0.2.1/32"), ofFamily(networks, false), compareNetip); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(prefixes("fd00::/8"), ofFamily(networks, true), compareNetip); diff != "" {
		t.Error(diff)
	}
	ports := []PortRange{{8000, 8100}, {443, 443}, {444, 450}, {8050, 8060}, {60000, 65535}, {65535, 65535}, {8090, 8200}, {443, 443}}
	if diff := cmp.Diff([]PortRange{{443, 450}, {8000, 8200}, {60000, 65535}}, joinPorts(ports)); diff != "" {
		t.Error(diff)
	}
}

func FuzzParseScope(f *testing.F) {
	for _, s := range []string{"interface=eth1 port=443", "network=10.0.0.0/8 network=::1", "port=8000-8100 exclude=2001:db8::/32", "port=5-1", "network=::ffff:1.2.3.4/97"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, items string) {
		s, err := ParseScope(strings.Fields(items))
		if err != nil {
			return
		}
		if err := s.Validate(); err != nil {
			t.Fatalf("%q is read as %v: %v", items, s, err)
		}
		text := s.String()
		if text == "all TCP" {
			return
		}
		again, err := ParseScope(strings.Fields(text))
		if diff := cmp.Diff(s, again, compareNetip); err != nil || diff != "" {
			t.Fatalf("%q is written as %q: %v\n%s", items, text, err, diff)
		}
		for _, ipv6 := range []bool{false, true} {
			kept := ofFamily(s.Networks, ipv6)
			for i := 1; i < len(kept); i++ {
				if kept[i-1].Overlaps(kept[i]) {
					t.Fatalf("%v overlap", kept)
				}
			}
			for _, p := range s.Networks {
				if p.Addr().Is6() == ipv6 && !slices.ContainsFunc(kept, func(k netip.Prefix) bool { return k.Bits() <= p.Bits() && k.Contains(p.Addr()) }) {
					t.Fatalf("%v is not in %v", p, kept)
				}
			}
		}
	})
}
