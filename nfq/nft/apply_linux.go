package nft

import (
	"errors"
	"fmt"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"github.com/google/nftables/userdata"
	"golang.org/x/sys/unix"
)

// install puts the table into the kernel in one transaction, in place of what the kernel
// has of that name: whole or not at all, and without a moment between.
func (t Table) install(c *nftables.Conn, flags nftables.TableFlags) error {
	old, err := find(c, t.Name)
	if err != nil {
		return err
	}
	if old != nil {
		if old.Owner != 0 {
			return ErrInUse
		}
		c.DelTable(old)
	}
	table := c.CreateTable(&nftables.Table{Name: t.Name, Family: nftables.TableFamilyINet, Flags: flags})
	for _, s := range t.Sets {
		var elements []nftables.SetElement
		for _, e := range s.Elements {
			elements = append(elements, e.Parts...)
		}
		set := &nftables.Set{
			Table: table, Name: s.Name, KeyType: s.Type, Interval: s.Interval, HasTimeout: s.Timeout, Size: s.Size,
			Concatenation: strings.Contains(s.Type.Name, " . "),
		}
		if s.Type == nftables.TypeIFName {
			set.KeyByteOrder = binaryutil.NativeEndian // or nft lists no names
		}
		if err := c.AddSet(set, elements); err != nil {
			return err
		}
	}
	chains := make([]*nftables.Chain, len(t.Chains)) // all before the rules, which go from one to another
	for i, chain := range t.Chains {
		chains[i] = &nftables.Chain{Table: table, Name: chain.Name}
		if chain.Type != "" {
			chains[i].Type, chains[i].Hooknum, chains[i].Priority = chain.Type, &chain.Hook.Value, &chain.Priority.Value
			chains[i].Policy = new(nftables.ChainPolicyAccept)
		}
		c.AddChain(chains[i])
	}
	for i, chain := range t.Chains {
		for _, r := range chain.Rules {
			var exprs []expr.Any
			for _, s := range r.Statements {
				exprs = append(exprs, s.Exprs...)
			}
			c.AddRule(&nftables.Rule{Table: table, Chain: chains[i], Exprs: exprs, UserData: userdata.AppendString(nil, userdata.TypeComment, r.Name)})
		}
	}
	return c.Flush()
}

// remove takes a table out of the kernel and says whether it was there.
func remove(c *nftables.Conn, name string) (bool, error) {
	table, err := find(c, name)
	if table == nil || err != nil {
		return false, err
	}
	c.DelTable(table)
	if err := c.Flush(); err != nil && !errors.Is(err, unix.ENOENT) {
		return false, err
	}
	return true, nil
}

// find returns the kernel's table of a name, nil if there is none.
func find(c *nftables.Conn, name string) (*nftables.Table, error) {
	// Asking for one by its name would be less work; but then errors cannot be
	// told from there being none on kernels that have no tables of family inet.
	tables, err := c.ListTablesOfFamily(nftables.TableFamilyINet)
	if err != nil {
		return nil, fmt.Errorf("listing nftables' tables: %w", err)
	}
	for _, t := range tables {
		if t.Name == name {
			return t, nil
		}
	}
	return nil, nil
}

// counters reads what the rules of a table have seen, by their names.
func (t Table) counters(c *nftables.Conn) (map[string]Counter, error) {
	table := &nftables.Table{Name: t.Name, Family: nftables.TableFamilyINet}
	sums := make(map[string]Counter)
	for _, chain := range t.Chains {
		rules, err := c.GetRules(table, &nftables.Chain{Table: table, Name: chain.Name})
		if err != nil {
			return nil, err
		}
		if len(rules) == 0 {
			return nil, fmt.Errorf("chain %s of table inet %s: %w", chain.Name, t.Name, unix.ENOENT)
		}
		for _, r := range rules {
			name, _ := userdata.GetString(r.UserData, userdata.TypeComment)
			for _, e := range r.Exprs {
				if n, ok := e.(*expr.Counter); ok {
					sum := sums[name]
					sums[name] = Counter{sum.Packets + n.Packets, sum.Bytes + n.Bytes}
				}
			}
		}
	}
	return sums, nil
}
