package event

import (
	"crypto/sha1" // Community ID v1 is defined with it
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"net/netip"
	"time"

	"sstpwarden/inspect"
)

// CommunityID returns the Community ID, version 1, with seed 0, of the TCP
// connection: "1:" and a digest in base64 (github.com/corelight/community-id-spec).
// Both directions have the same.
//
//	0      2                                            n
//	+------+-----------+-----------+-----+---+-----+-----+
//	| seed | lesser    | greater   | TCP | 0 | its | its |
//	| 0    | address   | address   | 6   |   | port| port|
//	+------+-----------+-----------+-----+---+-----+-----+
//
// Addresses are 4 or 16 bytes; IPv4 mapped into IPv6 counts as IPv4.
func CommunityID(key inspect.FlowKey) string {
	lesser, greater := address(key.Client), address(key.Server)
	if greater.Compare(lesser) < 0 {
		lesser, greater = greater, lesser
	}
	b := make([]byte, 0, 2+16+16+2+2+2)
	b = append(b, 0, 0)
	b = append(b, lesser.Addr().AsSlice()...)
	b = append(b, greater.Addr().AsSlice()...)
	b = append(b, 6, 0)
	b = binary.BigEndian.AppendUint16(b, lesser.Port())
	b = binary.BigEndian.AppendUint16(b, greater.Port())
	sum := sha1.Sum(b)
	return "1:" + base64.StdEncoding.EncodeToString(sum[:])
}

// flowIDBits is the most that every JSON reader keeps exact: many hold numbers
// as a double.
const flowIDBits = 53

// flowID returns a number of flowIDBits for the connection with that key which
// was first seen at start. It depends on nothing else.
func flowID(key inspect.FlowKey, start time.Time) uint64 {
	b := make([]byte, 0, 2*(16+2)+8+4)
	for _, end := range []netip.AddrPort{address(key.Client), address(key.Server)} {
		addr := end.Addr().As16()
		b = append(b, addr[:]...)
		b = binary.BigEndian.AppendUint16(b, end.Port())
	}
	b = binary.BigEndian.AppendUint64(b, uint64(start.Unix()))
	b = binary.BigEndian.AppendUint32(b, uint32(start.Nanosecond()))
	sum := sha256.Sum256(b)
	return binary.BigEndian.Uint64(sum[:]) >> (64 - flowIDBits)
}

// address gives an end as events write it: IPv4 as such and without a zone,
// which names an interface of some machine.
func address(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(plain(a.Addr()), a.Port())
}

func plain(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }
