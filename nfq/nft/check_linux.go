package nft

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"

	"github.com/google/nftables"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// A probe tries a feature in a namespace where nothing can be broken.
type probe struct {
	Feature
	try func() error
}

var (
	featureTable = Feature{
		Name: "nftables",
		Text: "table inet",
		Need: "CONFIG_NF_TABLES and CONFIG_NF_TABLES_INET, module nf_tables",
	}
	featureOwner = Feature{
		Name:     "table owner",
		Text:     "flags owner",
		Need:     "Linux 5.12",
		Optional: "a table outlives a crash, fail-open or not, until the next start or --teardown",
	}
	featureCounter = Feature{
		Name: "counter",
		Text: "counter",
		Need: "before Linux 5.17 CONFIG_NFT_COUNTER, module nft_counter",
	}
	featureMark = Feature{
		Name: "ct",
		Text: "ct mark set",
		Need: "CONFIG_NFT_CT and CONFIG_NF_CONNTRACK_MARK, module nft_ct",
	}
)

func tryOwner() error {
	return tryTable(probeTable(nftables.ChainTypeFilter), nftables.TableFlagOwner)
}

func proxyProbes(m Mode) []probe {
	probes := []probe{
		{featureTable, try(nftables.ChainTypeFilter)},
		{featureOwner, tryOwner},
		{featureCounter, try(nftables.ChainTypeFilter, counter())},
		{Feature{Name: "fib", Text: "fib daddr type local", Need: "CONFIG_NFT_FIB_INET, CONFIG_NFT_FIB_IPV4 and CONFIG_NFT_FIB_IPV6, module nft_fib_inet"}, try(nftables.ChainTypeFilter, toHost())},
	}
	if m == Redirect {
		return append(probes,
			probe{Feature{Name: "nat", Text: "type nat", Need: "CONFIG_NFT_NAT, module nft_chain_nat; Linux 5.2 for family inet"}, try(nftables.ChainTypeNAT)},
			probe{Feature{Name: "redirect", Text: "redirect to", Need: "CONFIG_NFT_REDIR, module nft_redir"}, try(nftables.ChainTypeNAT, isTCP(), redirectTo(1))})
	}
	return append(probes,
		probe{featureMark, try(nftables.ChainTypeFilter, setConnectionMark(1, 1))},
		probe{Feature{Name: "socket", Text: "socket transparent", Need: "CONFIG_NFT_SOCKET, module nft_socket"}, try(nftables.ChainTypeFilter, transparentSocket())},
		probe{Feature{Name: "tproxy", Text: "tproxy to", Need: "CONFIG_NFT_TPROXY, module nft_tproxy"}, try(nftables.ChainTypeFilter, isTCP(), tproxyTo(1))},
		probe{Feature{Name: "policy routing", Text: "ip rule add fwmark", Need: "CONFIG_IP_MULTIPLE_TABLES and, with IPv6, CONFIG_IPV6_MULTIPLE_TABLES"}, tryRouting})
}

// Check tries what a mode needs, of the kernel in a namespace of its own, of the host's
// settings as they are. The error is that of Check itself: making a namespace takes the
// capabilities CAP_SYS_ADMIN and CAP_NET_ADMIN.
func Check(m Mode) ([]Feature, error) {
	features, err := check(proxyProbes(m))
	if err != nil {
		return nil, fmt.Errorf("checking the kernel in a network namespace: %w", err)
	}
	if m == TPROXY {
		features = append(features, checkReversePath("/proc/sys/net/ipv4/conf"))
	}
	return features, nil
}

func check(probes []probe) ([]Feature, error) {
	var features []Feature
	err := inNamespace(func() error {
		for _, p := range probes {
			f := p.Feature
			f.Err = p.try()
			features = append(features, f)
		}
		return nil
	})
	return features, err
}

// inNamespace calls f in a new network namespace, which ends with it.
func inNamespace(f func() error) error {
	result := make(chan error)
	go func() {
		runtime.LockOSThread()
		result <- func() error {
			before, err := netns.Get()
			if err != nil {
				return err
			}
			defer func() { _ = before.Close() }()
			within, err := netns.New()
			if err != nil {
				return hintNamespace(err)
			}
			defer func() { _ = within.Close() }()
			err = f()
			if back := netns.Set(before); back != nil {
				// The thread must not be used again: it ends with this
				// goroutine, which has locked it.
				return errors.Join(err, back)
			}
			runtime.UnlockOSThread()
			return err
		}()
	}()
	return <-result
}

func hintNamespace(err error) error {
	if errors.Is(err, os.ErrPermission) {
		return fmt.Errorf("%w: it takes root or the capabilities CAP_SYS_ADMIN and CAP_NET_ADMIN", err)
	}
	return err
}

func probeTable(chain nftables.ChainType, s ...Statement) Table {
	c := Chain{Name: "probe", Type: chain, Hook: hookPrerouting, Priority: priorityDstnat}
	if s != nil {
		c.Rules = []Rule{{"probe", s}}
	}
	return Table{Name: "probe", Chains: []Chain{c}}
}

func try(chain nftables.ChainType, s ...Statement) func() error {
	return func() error { return tryTable(probeTable(chain, s...), 0) }
}

func tryTable(t Table, flags nftables.TableFlags) (err error) {
	conn, err := dial()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.CloseLasting()) }()
	if err := t.install(conn, flags); err != nil {
		return err
	}
	if flags&nftables.TableFlagOwner != 0 {
		return nil // it goes with conn
	}
	_, err = remove(conn, t.Name)
	return err
}

func tryRouting() error {
	routes, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return err
	}
	defer routes.Close()
	lo, err := routes.LinkByIndex(loopback)
	if err != nil {
		return err
	}
	if err := routes.LinkSetUp(lo); err != nil {
		return err
	}
	return addRouting(routes, ProxyOptions{Mode: TPROXY}.withDefaults())
}

// checkReversePath looks for interfaces where the kernel asks for the way back with the
// mark of the packet. That way leads to this host, so it drops the packet as a forgery.
func checkReversePath(conf string) Feature {
	f := Feature{
		Name: "reverse path filter",
		Text: "net.ipv4.conf.*.src_valid_mark and rp_filter",
		Need: "set net.ipv4.conf.all.src_valid_mark, and that of each interface, to 0, or rp_filter to 0",
	}
	entries, err := os.ReadDir(conf)
	if err != nil {
		return f // no IPv4 here
	}
	value := func(name, key string) string {
		b, _ := os.ReadFile(conf + "/" + name + "/" + key)
		return strings.TrimSpace(string(b))
	}
	// For both the kernel takes what is higher, that of "all" or of the interface.
	either := func(name, key string, off string) bool {
		return value("all", key) > off || value(name, key) > off
	}
	var bad []string
	for _, e := range entries {
		if name := e.Name(); name != "all" && name != "default" && name != "lo" && either(name, "src_valid_mark", "0") && either(name, "rp_filter", "0") {
			bad = append(bad, name)
		}
	}
	if bad != nil {
		f.Err = fmt.Errorf("interfaces %s drop packets that tproxy marks", strings.Join(bad, ", "))
	}
	return f
}
