package nft

import (
	"context"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/google/nftables/userdata"
	"golang.org/x/sys/unix"
)

// LetPast has new connections go past the proxy. Those that it has go on, and those whose
// first packet came before still come to the listener: it returns when they have, or
// after ctx at the latest. Then nothing is lost by closing a listener whose queue is empty.
// It is for the proxy, once, in all modes: a proxy that is told to stop fails in no way.
//
// An error is of the rules, or of the kernel not saying what connections there are.
func (in *Installed) LetPast(ctx context.Context) error {
	if err := in.letPast(); err != nil {
		return fmt.Errorf("having new connections go past table inet %s: %w", in.table.Name, hint(err))
	}
	return in.wait(ctx, statesOpening)
}

// Linger returns when the kernel has brought what was written to connections that are
// closed now to their other ends: until then it needs the table. It waits no longer than for
// ctx, nor for what makes no progress. It is for the proxy.
func (in *Installed) Linger(ctx context.Context) error {
	return in.wait(ctx, statesClosing)
}

// letPast adds a rule to each chain, behind the one for what is not the first packet of a
// connection, and changes nothing else. Rules that are not reached any more are needed:
// with the last that wants it, the kernel would stop to track connections, and with that
// to translate the addresses of those that were redirected.
func (in *Installed) letPast() error {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.conn == nil {
		return fs.ErrClosed
	}
	table := &nftables.Table{Name: in.table.Name, Family: nftables.TableFamilyINet}
	var exprs []expr.Any
	for _, s := range []Statement{counter(), leave()} {
		exprs = append(exprs, s.Exprs...)
	}
	for _, c := range in.table.Chains {
		chain := &nftables.Chain{Table: table, Name: c.Name}
		rules, err := in.conn.GetRules(table, chain)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(rules, func(r *nftables.Rule) bool {
			name, _ := userdata.GetString(r.UserData, userdata.TypeComment)
			return name == CountNotNew || name == CountLocalNotNew
		})
		if i < 0 {
			return fmt.Errorf("chain %s: %w", c.Name, unix.ENOENT)
		}
		in.conn.AddRule(&nftables.Rule{
			Table: table, Chain: chain, Position: rules[i].Handle, Exprs: exprs,
			UserData: userdata.AppendString(nil, userdata.TypeComment, CountPast),
		})
	}
	return in.conn.Flush()
}

const (
	// firstLook is when sockets are looked at first: packets that met the rules before
	// a change have got to where they sent them by then.
	firstLook = 10 * time.Millisecond
	// lastLook is how far apart looks are at last: each goes through all sockets of
	// the host.
	lastLook = 200 * time.Millisecond
	// stuck is how long nothing may change about sockets that are waited for. The kernel
	// tries four times in that, at the usual round-trip times.
	stuck = 3 * time.Second
)

// wait waits until there are no sockets of the proxy's in these states, for as long as
// their number or what they have to send changes.
func (in *Installed) wait(ctx context.Context, states uint32) error {
	var last tally
	changed := time.Now()
	for pause := firstLook; ; pause = min(2*pause, lastLook) {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
		now, err := in.diag.count(states)
		if err != nil || now.sockets == 0 {
			return err
		}
		if now != last {
			last, changed = now, time.Now()
		}
		if time.Since(changed) > stuck {
			return nil
		}
	}
}
