package nft

import (
	"errors"
	"fmt"

	"github.com/google/nftables"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// An Inspection is the inspector's table in the kernel.
type Inspection struct {
	*Installed
	marks Marks
	track *netlink.Conn // to connection tracking, nil when closed
}

// SetupInspect installs the inspector's table, in place of what an earlier run left. Its
// bans stay, and so do the marks of connections: what was settled is. The queues should
// be bound before: until they are, packets of the scope are let past with FailOpen, and
// dropped otherwise. Whoever may not be alone claims the table first, see ClaimTable.
//
// Errors: what Validate says; ErrInUse; *UnsupportedError for what the kernel lacks;
// fs.ErrPermission without the capability CAP_NET_ADMIN.
func SetupInspect(o InspectOptions) (*Inspection, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	in, err := setupInspect(o.withDefaults(), nftables.TableFlagOwner)
	if err != nil {
		return nil, fmt.Errorf("setting up table inet %s: %w", InspectTableName, err)
	}
	return in, nil
}

func setupInspect(o InspectOptions, owned nftables.TableFlags) (*Inspection, error) {
	track, err := netlink.Dial(unix.NETLINK_NETFILTER, nil)
	if err != nil {
		return nil, err
	}
	conn, err := dial()
	if err != nil {
		return nil, errors.Join(err, track.Close())
	}
	in := &Inspection{Installed: &Installed{conn: conn, keeps: o.Keep}, marks: o.Marks(), track: track}
	bans, err := bansBefore(conn, int(o.BanMax))
	if err == nil {
		err = in.installEither(o, bans, owned)
	}
	if err != nil {
		return nil, errors.Join(explain(err, inspectProbes(o)), conn.CloseLasting(), track.Close())
	}
	return in, nil
}

// installEither tries the one way to queue where the other is not there.
func (in *Inspection) installEither(o InspectOptions, bans []Ban, owned nftables.TableFlags) error {
	statements := []QueueStatement{o.Statement}
	if o.Statement == 0 {
		statements = queueStatements
	}
	var err error
	for _, o.Statement = range statements {
		in.table = InspectTable(o)
		in.table.addBans(bans)
		if err = in.install(o.FailOpen && !o.Keep, owned); err == nil || !errors.Is(err, unix.ENOENT) {
			break
		}
	}
	return err
}

// bansBefore are the bans of the table that is there, at most size of each kind.
func bansBefore(c *nftables.Conn, size int) ([]Ban, error) {
	old, err := find(c, InspectTableName)
	if err != nil || old == nil {
		return nil, err
	}
	if old.Owner != 0 {
		return nil, ErrInUse
	}
	bans, err := listBans(c)
	if err != nil {
		return nil, nil // the table is not one of this version: there is nothing to keep
	}
	var kept []Ban
	count := make(map[banKind]int)
	for _, b := range bans {
		if count[kindOf(b)]++; count[kindOf(b)] <= size {
			kept = append(kept, b)
		}
	}
	return kept, nil
}

func (t Table) addBans(bans []Ban) {
	for _, b := range bans {
		for i := range t.Sets {
			if t.Sets[i].Name == kindOf(b).set {
				t.Sets[i].Elements = append(t.Sets[i].Elements, b.element())
			}
		}
	}
}

// Marks are those of the table.
func (in *Inspection) Marks() Marks { return in.marks }

// Close is that of Installed, and ends Ban and MarkConnection.
func (in *Inspection) Close() error {
	err := in.Installed.Close()
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.track != nil {
		err = errors.Join(err, in.track.Close())
		in.track = nil
	}
	return err
}

// TeardownInspect removes the inspector's table, whatever options it was made with, and
// says whether it was there. A table that belongs to a running process is ErrInUse, a
// *ClaimedError where it is known which.
func TeardownInspect() (removed bool, err error) {
	removed, err = removeUnowned(InspectTableName)
	if err != nil {
		return removed, removing(InspectTableName, err)
	}
	return removed, nil
}
