package nft

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"slices"
	"time"

	"github.com/google/nftables"
	"golang.org/x/sys/unix"
)

// A banKind is a set of bans that have the same form.
type banKind struct {
	set    string
	client bool // with a client
	ipv6   bool
}

var banKinds = []banKind{
	{"banned4", true, false},
	{"banned6", true, true},
	{"banned_servers4", false, false},
	{"banned_servers6", false, true},
}

func kindOf(b Ban) banKind {
	for _, k := range banKinds {
		if k.client == b.Client.IsValid() && k.ipv6 == b.Server.Addr().Is6() {
			return k
		}
	}
	panic("a ban of no kind")
}

func (k banKind) family() family {
	if k.ipv6 {
		return familyIPv6
	}
	return familyIPv4
}

func (k banKind) keyType() nftables.SetDatatype {
	addr := nftables.TypeIPAddr
	if k.ipv6 {
		addr = nftables.TypeIP6Addr
	}
	if k.client {
		return nftables.MustConcatSetType(addr, addr, nftables.TypeInetService)
	}
	return nftables.MustConcatSetType(addr, nftables.TypeInetService)
}

func banSets(size uint32) []Set {
	var sets []Set
	for _, k := range banKinds {
		sets = append(sets, Set{Name: k.set, Type: k.keyType(), Size: size, Timeout: true})
	}
	return sets
}

// kernelSet is what the library needs to know of a set that is there.
func (k banKind) kernelSet() *nftables.Set {
	return &nftables.Set{
		Table: &nftables.Table{Name: InspectTableName, Family: nftables.TableFamilyINet},
		Name:  k.set, KeyType: k.keyType(), HasTimeout: true,
	}
}

// key is the addresses and the port, each filled up to four bytes.
func (b Ban) key() []byte {
	var key []byte
	if b.Client.IsValid() {
		key = b.Client.AsSlice()
	}
	key = append(key, b.Server.Addr().AsSlice()...)
	key = binary.BigEndian.AppendUint16(key, b.Server.Port())
	return append(key, 0, 0)
}

// element is the ban in a set that is made anew.
func (b Ban) element() Element {
	text := fmt.Sprintf("%v . %d", b.Server.Addr(), b.Server.Port())
	if b.Client.IsValid() {
		text = b.Client.String() + " . " + text
	}
	text += fmt.Sprintf(" timeout %dms", b.For.Milliseconds())
	return Element{text, []nftables.SetElement{{Key: b.key(), Timeout: b.For}}}
}

// ban reads what key writes.
func (k banKind) ban(e nftables.SetElement) (Ban, bool) {
	size := int(k.family().length)
	if len(e.Key) != int(k.keyType().Bytes) || e.IntervalEnd {
		return Ban{}, false
	}
	b, key := Ban{For: e.Expires}, e.Key
	if k.client {
		b.Client, _ = netip.AddrFromSlice(key[:size])
		key = key[size:]
	}
	server, _ := netip.AddrFromSlice(key[:size])
	b.Server = netip.AddrPortFrom(server, binary.BigEndian.Uint16(key[size:]))
	return b, true
}

func listBans(c *nftables.Conn) ([]Ban, error) {
	var bans []Ban
	for _, k := range banKinds {
		elements, err := c.GetSetElements(k.kernelSet())
		if err != nil {
			return nil, fmt.Errorf("set %s: %w", k.set, err)
		}
		for _, e := range elements {
			if b, ok := k.ban(e); ok && b.For > 0 {
				bans = append(bans, b)
			}
		}
	}
	return bans, nil
}

// Bans lists the bans that have not run out.
func (in *Inspection) Bans() ([]Ban, error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.conn == nil {
		return nil, fs.ErrClosed
	}
	bans, err := listBans(in.conn)
	if err != nil {
		return nil, fmt.Errorf("listing bans: %w", hint(err))
	}
	return bans, nil
}

// Ban makes bans, all in one transaction: many at once are much faster than one after the
// other. One that is there already lasts from now on for what the new one says. It takes
// the capability CAP_NET_ADMIN.
//
// A *BanError is of a ban that cannot be, and none is made then. If there is no room for
// all, as many as fit are made, and the error, a *BanError with ErrBansFull, is of the
// first that did not fit.
func (in *Inspection) Ban(bans ...Ban) error {
	if err := in.changeBans(bans, true); err != nil {
		return fmt.Errorf("making bans: %w", hint(err))
	}
	return nil
}

// Unban takes bans back, whatever their For. That one is not there is no error.
func (in *Inspection) Unban(bans ...Ban) error {
	bans = slices.Clone(bans)
	for i := range bans {
		bans[i].For = time.Hour // what it was does not matter
	}
	if err := in.changeBans(bans, false); err != nil {
		return fmt.Errorf("taking bans back: %w", hint(err))
	}
	return nil
}

// changeBans makes bans, or removes them if keep is false.
func (in *Inspection) changeBans(bans []Ban, keep bool) error {
	bans, err := prepareBans(bans)
	if err != nil {
		return err
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.conn == nil {
		return fs.ErrClosed
	}
	err = in.replaceBans(bans, keep)
	if !errors.Is(err, unix.ENFILE) {
		return err
	}
	var full error
	for _, b := range bans {
		err := in.replaceBans([]Ban{b}, keep)
		switch {
		case errors.Is(err, unix.ENFILE):
			// One that is there needs no room: there is none to remove.
			if keep && full == nil {
				full = &BanError{b, ErrBansFull}
			}
		case err != nil:
			return err
		}
	}
	return full
}

// prepareBans checks bans, and of those for the same leaves the last.
func prepareBans(bans []Ban) ([]Ban, error) {
	prepared, at := make([]Ban, 0, len(bans)), make(map[Ban]int, len(bans))
	for _, b := range bans {
		b.Client = b.Client.Unmap()
		b.Server = netip.AddrPortFrom(b.Server.Addr().Unmap(), b.Server.Port())
		if err := b.check(); err != nil {
			return nil, err
		}
		who := Ban{Client: b.Client, Server: b.Server}
		if i, found := at[who]; found {
			prepared[i] = b
			continue
		}
		at[who] = len(prepared)
		prepared = append(prepared, b)
	}
	return prepared, nil
}

// replaceBans removes bans, whether they are there or not, and adds them if keep is true.
// Kernels before Linux 6.12 do not change the time of an element that is there, and those
// before 6.3 cannot remove what is not there without an error, which ends the transaction;
// so each is added first, where nothing happens if it is there.
func (in *Inspection) replaceBans(bans []Ban, keep bool) error {
	elements := make(map[banKind][]nftables.SetElement)
	for _, b := range bans {
		elements[kindOf(b)] = append(elements[kindOf(b)], b.element().Parts...)
	}
	for _, k := range banKinds {
		set, of := k.kernelSet(), elements[k]
		err := errors.Join(in.conn.SetAddElements(set, of), in.conn.SetDeleteElements(set, of))
		if keep {
			err = errors.Join(err, in.conn.SetAddElements(set, of))
		}
		if err != nil {
			return err
		}
	}
	return in.conn.Flush()
}
