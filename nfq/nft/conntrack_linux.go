package nft

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// Messages and attributes of linux/netfilter/nfnetlink_conntrack.h.
const (
	ctNew = unix.NFNL_SUBSYS_CTNETLINK << 8 // message 0: changes what is there, if it may not create

	ctTuple            = 1
	ctMark, ctMarkMask = 8, 21

	ctTupleIP, ctTupleProto = 1, 2 // within a tuple

	ctIPv4Source, ctIPv4Destination = 1, 2 // within its addresses
	ctIPv6Source, ctIPv6Destination = 3, 4

	ctProtocol, ctSourcePort, ctDestinationPort = 1, 2, 3 // within its protocol
)

// ErrNoConnection means that connection tracking does not know the connection.
var ErrNoConnection = errors.New("connection tracking knows no such connection")

// MarkConnection gives a connection one of Marks from outside its packets' path: its next
// packet meets that. A blocked one is reset at an end when that sends something, so an
// end that waits in silence learns nothing. Other bits of its mark stay.
//
// The addresses are those that packets have where they are inspected. Where both ends'
// are translated on this host connection tracking does not find it by them, and the error
// is ErrNoConnection. It takes the capability CAP_NET_ADMIN.
func (in *Inspection) MarkConnection(client, server netip.AddrPort, mark uint32) error {
	if mark&^in.marks.Mask != 0 {
		return fmt.Errorf("mark %#x is not within mask %#x", mark, in.marks.Mask)
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.track == nil {
		return fs.ErrClosed
	}
	// It is found as the client sent it or as the server answers: where one of them
	// is behind another address, by what the other sees.
	err := in.markTuple(client, server, mark)
	if errors.Is(err, unix.ENOENT) {
		err = in.markTuple(server, client, mark)
	}
	if errors.Is(err, unix.ENOENT) {
		err = ErrNoConnection
	}
	if err != nil {
		return fmt.Errorf("marking the connection from %v to %v: %w", client, server, hint(err))
	}
	return nil
}

func (in *Inspection) markTuple(from, to netip.AddrPort, mark uint32) error {
	source, destination := from.Addr().Unmap(), to.Addr().Unmap()
	if !source.IsValid() || source.Is4() != destination.Is4() {
		return errors.New("its ends are of different address families")
	}
	family, sourceType, destinationType := byte(unix.NFPROTO_IPV4), uint16(ctIPv4Source), uint16(ctIPv4Destination)
	if source.Is6() {
		family, sourceType, destinationType = unix.NFPROTO_IPV6, ctIPv6Source, ctIPv6Destination
	}
	e := netlink.NewAttributeEncoder()
	e.ByteOrder = binary.BigEndian
	e.Nested(ctTuple, func(e *netlink.AttributeEncoder) error {
		e.Nested(ctTupleIP, func(e *netlink.AttributeEncoder) error {
			e.Bytes(sourceType, source.AsSlice())
			e.Bytes(destinationType, destination.AsSlice())
			return nil
		})
		e.Nested(ctTupleProto, func(e *netlink.AttributeEncoder) error {
			e.Uint8(ctProtocol, unix.IPPROTO_TCP)
			e.Uint16(ctSourcePort, from.Port())
			e.Uint16(ctDestinationPort, to.Port())
			return nil
		})
		return nil
	})
	e.Uint32(ctMark, mark)
	e.Uint32(ctMarkMask, in.marks.Mask)
	attrs, err := e.Encode()
	if err != nil {
		return err
	}
	_, err = in.track.Execute(netlink.Message{
		Header: netlink.Header{Type: netlink.HeaderType(ctNew), Flags: netlink.Request | netlink.Acknowledge},
		Data:   append([]byte{family, unix.NFNETLINK_V0, 0, 0}, attrs...),
	})
	return err
}
