package nft

import (
	"encoding/hex"
	"fmt"

	nl "github.com/mdlayher/netlink"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// dumpAll lists all of nftables' objects as the kernel's bytes, then rules and routes.
func (h *host) dumpAll() []string { return h.dump("", true) }

// dumpOthers lists what is not the proxy's.
func (h *host) dumpOthers() []string { return h.dump(ProxyTableName, false) }

// dumpUninspected lists what is not the inspector's.
func (h *host) dumpUninspected() []string { return h.dump(InspectTableName, true) }

// dump leaves out a table of family inet, and our routing unless it is wanted.
func (h *host) dump(without string, routes bool) []string {
	h.t.Helper()
	var list []string
	h.do(func() error {
		conn, err := nl.Dial(unix.NETLINK_NETFILTER, nil)
		if err != nil {
			return err
		}
		defer conn.Close()
		for _, get := range []int{unix.NFT_MSG_GETTABLE, unix.NFT_MSG_GETCHAIN, unix.NFT_MSG_GETRULE, unix.NFT_MSG_GETSET, unix.NFT_MSG_GETOBJ} {
			objects, err := dumpObjects(conn, get, unix.NFPROTO_UNSPEC)
			if err != nil {
				return err
			}
			for _, o := range objects {
				if o.family == unix.NFPROTO_INET && o.table == without {
					continue
				}
				list = append(list, o.String())
				if get != unix.NFT_MSG_GETSET {
					continue
				}
				elements, err := dumpObjects(conn, unix.NFT_MSG_GETSETELEM, o.family,
					nl.Attribute{Type: unix.NFTA_SET_ELEM_LIST_TABLE, Data: []byte(o.table + "\x00")},
					nl.Attribute{Type: unix.NFTA_SET_ELEM_LIST_SET, Data: []byte(o.name + "\x00")})
				if err != nil {
					return err
				}
				for _, e := range elements {
					list = append(list, e.String())
				}
			}
		}
		routing, err := dumpRouting(routes)
		list = append(list, routing...)
		return err
	})
	return list
}

// An object of nftables: something in a table.
type object struct {
	kind        int
	family      byte
	table, name string
	data        []byte // without the generation, which any change raises
}

func (o object) String() string {
	return fmt.Sprintf("%d %d %s %s", o.kind, o.family, o.table, hex.EncodeToString(o.data))
}

func dumpObjects(conn *nl.Conn, get int, family byte, attrs ...nl.Attribute) ([]object, error) {
	request, err := nl.MarshalAttributes(attrs)
	if err != nil {
		return nil, err
	}
	msgs, err := conn.Execute(nl.Message{
		Header: nl.Header{Type: nl.HeaderType(unix.NFNL_SUBSYS_NFTABLES<<8 | get), Flags: nl.Request | nl.Dump},
		Data:   append([]byte{family, 0, 0, 0}, request...),
	})
	if err != nil {
		return nil, err
	}
	var objects []object
	for _, m := range msgs {
		o := object{kind: get, family: m.Data[0], data: m.Data[4:]}
		ad, err := nl.NewAttributeDecoder(o.data)
		if err != nil {
			return nil, err
		}
		for ad.Next() {
			switch ad.Type() { // for all of these the first two are the same
			case unix.NFTA_SET_TABLE:
				o.table = ad.String()
			case unix.NFTA_SET_NAME:
				o.name = ad.String()
			}
		}
		objects = append(objects, o)
	}
	return objects, nil
}

func dumpRouting(ours bool) ([]string, error) {
	var list []string
	for _, f := range families {
		rules, err := netlink.RuleList(f)
		if err != nil {
			return nil, err
		}
		for _, r := range rules {
			if ours || r.Protocol != routingProtocol {
				mask := uint32(0)
				if r.Mask != nil {
					mask = *r.Mask
				}
				list = append(list, fmt.Sprintf("%d: %v mark %#x/%#x protocol %d", f, r, r.Mark, mask, r.Protocol))
			}
		}
		routes, err := netlink.RouteListFiltered(f, &netlink.Route{}, netlink.RT_FILTER_TABLE)
		if err != nil {
			return nil, err
		}
		for _, r := range routes {
			if ours || r.Protocol != routingProtocol {
				list = append(list, fmt.Sprintf("%d: %v", f, r))
			}
		}
	}
	return list, nil
}
