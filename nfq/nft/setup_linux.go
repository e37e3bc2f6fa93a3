package nft

import (
	"errors"
	"fmt"
	"io/fs"
	"sync"

	"github.com/google/nftables"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// An Installed is a table in the kernel, with the routing that it needs. It stays with the
// network namespace that Setup or SetupInspect was called in. Its methods are safe for
// concurrent use.
//
// One that is not closed goes with the process if the options say FailOpen, and else
// stays in the kernel until Teardown or the next Setup.
type Installed struct {
	table   Table
	warning error

	mu     sync.Mutex
	conn   *nftables.Conn  // nil when closed
	owns   bool            // the table goes with conn
	keeps  bool            // the table stays when this is closed
	routes *netlink.Handle // nil without routing
	diag   *diag           // of the proxy's sockets; nil but for the proxy
}

// Setup installs the proxy's table and what routing it needs. What an earlier run left is
// replaced: whoever may not be alone claims the table first, see ClaimTable. The listener should be there already: until it is, new connections are let
// past with TPROXY and FailOpen, and stopped otherwise.
//
// Errors: what Validate says; ErrInUse; *UnsupportedError for what the kernel lacks;
// fs.ErrPermission without the capability CAP_NET_ADMIN.
func Setup(o ProxyOptions) (*Installed, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	in, err := setup(o.withDefaults(), nftables.TableFlagOwner)
	if err != nil {
		return nil, fmt.Errorf("setting up table inet %s: %w", ProxyTableName, err)
	}
	return in, nil
}

// setup binds the table to the process by the flags owned, if the options want that.
func setup(o ProxyOptions, owned nftables.TableFlags) (*Installed, error) {
	conn, err := dial()
	if err != nil {
		return nil, err
	}
	in := &Installed{table: ProxyTable(o), conn: conn}
	if old, err := find(conn, ProxyTableName); err != nil || old != nil && old.Owner != 0 {
		if err == nil {
			err = ErrInUse // leave its routing alone, too
		}
		return nil, errors.Join(explain(err, proxyProbes(o.Mode)), conn.CloseLasting())
	}
	// Routes first: marked packets need them. For the same reason they are not
	// cleaned up where the mode is another and the table of an earlier run is in
	// the kernel yet.
	if o.Mode == TPROXY {
		if in.routes, err = netlink.NewHandle(unix.NETLINK_ROUTE); err == nil {
			err = addRouting(in.routes, o)
		}
		if err != nil {
			return nil, errors.Join(explain(err, proxyProbes(o.Mode)), in.discard())
		}
	}
	if err := in.install(o.FailOpen, owned); err != nil {
		return nil, errors.Join(explain(err, proxyProbes(o.Mode)), in.discard())
	}
	if o.Mode != TPROXY {
		if err := removeStaleRouting(); err != nil {
			return nil, errors.Join(explain(err, proxyProbes(o.Mode)), in.Close())
		}
	}
	in.diag = openDiag(o)
	return in, nil
}

// install binds the table to the process by the flags owned, if bind says so.
func (in *Installed) install(bind bool, owned nftables.TableFlags) error {
	if !bind {
		return in.table.install(in.conn, 0)
	}
	err := in.table.install(in.conn, owned)
	in.owns = err == nil
	// Linux before 5.12 knows no such flag.
	if !errors.Is(err, unix.EOPNOTSUPP) && !errors.Is(err, unix.EINVAL) {
		return err
	}
	feature := featureOwner
	feature.Err = err
	if err := in.table.install(in.conn, 0); err != nil {
		return err
	}
	in.warning = &UnsupportedError{Missing: []Feature{feature}}
	return nil
}

// dial opens nfnetlink for as long as an Installed lives: a table is owned by a socket,
// and a program that changes its namespace or drops capabilities can still use it.
func dial() (*nftables.Conn, error) {
	conn, err := nftables.New(nftables.AsLasting())
	if err != nil {
		return nil, fmt.Errorf("opening nfnetlink: %w", err)
	}
	return conn, nil
}

// discard undoes a Setup that has not come to its table. Routing of an earlier run's
// table, should there be one, goes too: Setup would have replaced it.
func (in *Installed) discard() error {
	var err error
	if in.routes != nil {
		if table, lookup := find(in.conn, in.table.Name); lookup == nil && table == nil {
			_, err = removeRouting(in.routes)
		}
		in.routes.Close()
	}
	return errors.Join(err, in.conn.CloseLasting())
}

func removeStaleRouting() error {
	routes, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return err
	}
	defer routes.Close()
	_, err = removeRouting(routes)
	return err
}

// Warning says what Setup had to do without: an *UnsupportedError where FailOpen was
// asked for and the kernel cannot bind a table to a process. Otherwise it is nil.
func (in *Installed) Warning() error { return in.warning }

// Table is what was installed.
func (in *Installed) Table() Table { return in.table }

// Close removes the table, unless InspectOptions.Keep is set, then the routing. It takes
// the proxy's connections with it: with the last rule that needs them, the kernel stops to
// track connections and to translate their addresses, and what is routed here by a mark
// is not any more. Use LetPast and Linger before it to lose none. Queues are best read until
// it returns.
func (in *Installed) Close() error {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.conn == nil {
		return nil
	}
	var err error
	if !in.owns && !in.keeps { // an owned one goes with the socket, which takes no capability
		_, err = remove(in.conn, in.table.Name)
	}
	err = errors.Join(err, in.conn.CloseLasting(), in.diag.close())
	in.conn = nil
	if in.routes != nil {
		_, rerr := removeRouting(in.routes)
		err = errors.Join(err, rerr)
		in.routes.Close()
	}
	if err != nil {
		return fmt.Errorf("removing table inet %s: %w", in.table.Name, hint(err))
	}
	return nil
}

// Counters reads the rules' counters by the rules' names, see CountProxied and
// CountSettled. A rule that the table does not have is not among them. It is an error if
// somebody else has removed the table, for then nothing is redirected or queued.
func (in *Installed) Counters() (map[string]Counter, error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.conn == nil {
		return nil, fs.ErrClosed
	}
	counters, err := in.table.counters(in.conn)
	if err != nil {
		return nil, fmt.Errorf("reading counters: %w", hint(err))
	}
	return counters, nil
}

// Teardown removes the proxy's table and routing, whatever options they were made with,
// and says what was there; that nothing was is no error. A table that belongs to a
// running process is ErrInUse, a *ClaimedError where it is known which.
func Teardown() (removed []string, err error) {
	removed, err = teardown()
	if err != nil {
		return removed, removing(ProxyTableName, err)
	}
	return removed, nil
}

// removing says what an error is of, where it does not say so itself.
func removing(table string, err error) error {
	if claimed, ok := errors.AsType[*ClaimedError](err); ok {
		return claimed
	}
	return fmt.Errorf("removing table inet %s: %w", table, hint(err))
}

func teardown() (removed []string, err error) {
	found, err := removeUnowned(ProxyTableName)
	if err != nil {
		return nil, err
	}
	if found {
		removed = append(removed, "table inet "+ProxyTableName)
	}
	routes, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return removed, err
	}
	defer routes.Close()
	routing, err := removeRouting(routes)
	return append(removed, routing...), err
}

// removeUnowned removes a table, unless a process owns or claims it, and says whether it was
// there.
func removeUnowned(name string) (found bool, err error) {
	claim, err := ClaimTable(name)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, claim.Close()) }()
	conn, err := dial()
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, conn.CloseLasting()) }()
	table, err := find(conn, name)
	if err != nil {
		return false, err
	}
	if table != nil && table.Owner != 0 {
		return false, ErrInUse
	}
	return remove(conn, name)
}

// hint adds to an error of the kernel what to do about it.
func hint(err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("%w: it takes root or the capability CAP_NET_ADMIN", err)
	}
	return err
}

// explain finds out what the kernel does not have. A transaction fails with the same few
// errors for whatever that is.
func explain(err error, probes []probe) error {
	switch {
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.EINVAL),
		errors.Is(err, unix.EPROTONOSUPPORT), errors.Is(err, unix.EAFNOSUPPORT):
		features, checkErr := check(probes)
		if checkErr != nil {
			return err
		}
		var missing []Feature
		for _, f := range features {
			if f.Err != nil && f.Optional == "" {
				missing = append(missing, f)
			}
		}
		if missing != nil {
			return &UnsupportedError{Missing: missing}
		}
	}
	return hint(err)
}
