package nft

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// queueStatements in the order in which they are tried.
var queueStatements = []QueueStatement{QueueNative, QueueCompat}

// FindQueue says which way to queue the kernel has, by trying: with a table that is made
// and removed in one transaction, so that nobody ever sees it. It takes the capability
// CAP_NET_ADMIN.
func FindQueue() (QueueStatement, error) {
	q, err := findQueue()
	if err != nil {
		return 0, fmt.Errorf("finding out how the kernel sends packets to a queue: %w", hint(err))
	}
	return q, nil
}

func findQueue() (QueueStatement, error) {
	conn, err := dial()
	if err != nil {
		return 0, err
	}
	defer func() { _ = conn.CloseLasting() }()
	for _, q := range queueStatements {
		table := conn.CreateTable(&nftables.Table{Name: fmt.Sprintf("%s_%d", InspectTableName, os.Getpid()), Family: nftables.TableFamilyINet})
		chain := conn.AddChain(&nftables.Chain{Table: table, Name: "queue"})
		conn.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: queueTo(q, 1, 1, true).Exprs})
		conn.DelTable(table)
		if err = conn.Flush(); err == nil {
			return q, nil
		}
		if !errors.Is(err, unix.ENOENT) {
			return 0, err
		}
	}
	return 0, err
}

var (
	featureQueue = Feature{
		Name: "queue",
		Text: "queue to",
		Need: "CONFIG_NFT_QUEUE, module nft_queue; or CONFIG_NFT_COMPAT and CONFIG_NETFILTER_XT_TARGET_NFQUEUE, modules nft_compat and xt_NFQUEUE",
	}
	featureReader = Feature{
		Name: "nfnetlink_queue",
		Text: "binding a queue",
		Need: "CONFIG_NETFILTER_NETLINK_QUEUE, module nfnetlink_queue",
	}
	featureReject = Feature{
		Name: "reject",
		Text: "reject with tcp reset",
		Need: "CONFIG_NFT_REJECT and CONFIG_NFT_REJECT_INET, modules nft_reject and nft_reject_inet",
	}
	featureFlags = Feature{
		Name: "change of packets",
		Text: "tcp flags set rst | ack",
		Need: "Linux 4.10",
	}
	featureBans = Feature{
		Name: "bans",
		Text: "type ipv6_addr . ipv6_addr . inet_service; flags timeout",
		Need: "before Linux 5.1 CONFIG_NFT_HASH, module nft_set_hash",
	}
	featureTracking = Feature{
		Name:     "ctnetlink",
		Text:     "changing a connection's mark",
		Need:     "CONFIG_NF_CT_NETLINK, module nf_conntrack_netlink",
		Optional: "a connection cannot be cut later than by a packet of it",
	}
)

func inspectProbes(o InspectOptions) []probe {
	probes := []probe{
		{featureTable, try(nftables.ChainTypeFilter)},
		{featureCounter, try(nftables.ChainTypeFilter, counter())},
		{featureMark, try(nftables.ChainTypeFilter, setConnectionMark(1, 1), isEstablished(), fromServer())},
		{featureQueue, tryQueue(o.Statement)},
		{featureReader, tryReader},
		{featureReject, tryInspect(isTCP(), reject())},
		{featureFlags, tryInspect(turnIntoReset())},
		{featureBans, tryBans},
		{featureTracking, tryTracking},
	}
	if o.FailOpen && !o.Keep {
		probes = append(probes, probe{featureOwner, tryOwner})
	}
	return probes
}

func inspectProbe(s ...Statement) Table {
	return Table{Name: "probe", Chains: []Chain{{
		Name: "probe", Type: nftables.ChainTypeFilter, Hook: hookForward, Priority: priorityInspect, Rules: []Rule{{"probe", s}},
	}}}
}

// tryInspect tries statements where the inspector has them: not all may be anywhere.
func tryInspect(s ...Statement) func() error {
	return func() error { return tryTable(inspectProbe(s...), 0) }
}

func tryQueue(q QueueStatement) func() error {
	return func() error {
		if q != 0 {
			return tryTable(inspectProbe(queueTo(q, 1, 1, true)), 0)
		}
		_, err := findQueue()
		return err
	}
}

func tryBans() error {
	t := inspectProbe(bannedIn(familyIPv6, true, "banned6"))
	t.Sets = banSets(DefaultBanMax)
	return tryTable(t, 0)
}

// tryReader binds queue 1 of the namespace, and lets go of it.
func tryReader() error {
	const config, commandAttribute, bind = unix.NFNL_SUBSYS_QUEUE<<8 | 2, 1, 1 // linux/netfilter/nfnetlink_queue.h
	conn, err := netlink.Dial(unix.NETLINK_NETFILTER, nil)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	command, err := netlink.MarshalAttributes([]netlink.Attribute{{Type: commandAttribute, Data: []byte{bind, 0, 0, 0}}})
	if err != nil {
		return err
	}
	_, err = conn.Execute(netlink.Message{
		Header: netlink.Header{Type: netlink.HeaderType(config), Flags: netlink.Request | netlink.Acknowledge},
		Data:   append(append([]byte{unix.AF_UNSPEC, unix.NFNETLINK_V0}, binaryutil.BigEndian.PutUint16(1)...), command...),
	})
	return err
}

// The ends of a connection that is not there, of addresses for documentation.
var (
	probeClient = netip.MustParseAddrPort("192.0.2.1:1")
	probeServer = netip.MustParseAddrPort("192.0.2.2:1")
)

// tryTracking asks for a change of a connection that is not there.
func tryTracking() (err error) {
	in := &Inspection{Installed: &Installed{}, marks: InspectOptions{}.Marks()}
	if in.track, err = netlink.Dial(unix.NETLINK_NETFILTER, nil); err != nil {
		return err
	}
	defer func() { _ = in.track.Close() }()
	err = in.MarkConnection(probeClient, probeServer, in.marks.Settled)
	if errors.Is(err, ErrNoConnection) {
		return nil
	}
	return err
}

// CheckInspect tries what the inspector needs: of the kernel in a namespace of its own, of
// the host's settings and of others' tables as they are. The error is that of CheckInspect
// itself: making a namespace takes the capabilities CAP_SYS_ADMIN and CAP_NET_ADMIN.
func CheckInspect(o InspectOptions) ([]Feature, error) {
	features, err := check(inspectProbes(o.withDefaults()))
	if err != nil {
		return nil, fmt.Errorf("checking the kernel in a network namespace: %w", err)
	}
	for i := range features {
		if features[i].Name == featureQueue.Name && features[i].Err == nil && o.Statement == 0 {
			if q, err := FindQueue(); err == nil {
				features[i].Text = q.String()
			}
		}
	}
	offload, err := checkOffload(o)
	if err != nil {
		return nil, err
	}
	const settings = "/proc/sys/net/netfilter"
	return append(features, offload, checkLoose(settings), checkRoom(settings)), nil
}

// checkOffload looks for flowtables: the kernel carries connections that others' rules put
// there past all rules, ours among them.
func checkOffload(o InspectOptions) (Feature, error) {
	m := o.Marks()
	f := Feature{
		Name:     "flowtables",
		Text:     "no flowtable in any table",
		Need:     fmt.Sprintf("have them take settled connections only: ct mark & 0x%08x == 0x%08x flow add @...", m.Mask, m.Settled),
		Optional: "what a flowtable carries is not inspected, from its first packets on",
	}
	conn, err := dial()
	if err != nil {
		return f, err
	}
	defer func() { _ = conn.CloseLasting() }()
	tables, err := conn.ListTables()
	if err != nil {
		return f, fmt.Errorf("listing nftables' tables: %w", hint(err))
	}
	var found []string
	for _, t := range tables {
		flowtables, err := conn.ListFlowtables(t)
		if err != nil {
			continue // the table is gone, or the kernel has no flowtables
		}
		for _, ft := range flowtables {
			found = append(found, fmt.Sprintf("%s of table %s", ft.Name, t.Name))
		}
	}
	if found != nil {
		f.Err = fmt.Errorf("there are %s", strings.Join(found, ", "))
	}
	return f, nil
}

// checkLoose looks at how connection tracking takes up connections that it did not see the
// beginning of.
func checkLoose(dir string) Feature {
	f := Feature{
		Name:     "midstream",
		Text:     "net.netfilter.nf_conntrack_tcp_loose",
		Need:     "set net.netfilter.nf_conntrack_tcp_loose to 1",
		Optional: "connections that were up before cannot be settled: all their packets are queued",
	}
	if loose, err := setting(dir, "nf_conntrack_tcp_loose"); err == nil && loose == 0 {
		f.Err = errors.New("it is 0")
	}
	return f
}

// checkRoom looks at how many connections there may be. Our table has the kernel track
// all of them, if nothing else did.
func checkRoom(dir string) Feature {
	f := Feature{
		Name:     "tracked connections",
		Text:     "net.netfilter.nf_conntrack_count and nf_conntrack_max",
		Need:     "raise net.netfilter.nf_conntrack_max",
		Optional: "with as many connections as may be, the kernel drops the first packets of others",
	}
	count, err := setting(dir, "nf_conntrack_count")
	limit, limitErr := setting(dir, "nf_conntrack_max")
	if err != nil || limitErr != nil {
		return f // the module is not there yet
	}
	if limit > 0 && count >= limit-limit/5 {
		f.Err = fmt.Errorf("there are %d of at most %d", count, limit)
	}
	return f
}

func setting(dir, name string) (int, error) {
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(b)))
}
