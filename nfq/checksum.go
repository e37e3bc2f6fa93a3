package nfq

import "encoding/binary"

const (
	protocolHopByHop    = 0
	protocolTCP         = 6
	protocolDestination = 60
)

// checksumFails says that a packet's TCP checksum is wrong (RFC 9293, Section 3.1): whoever
// it is for drops it. False also where there is none to check: no TCP, a fragment, or an
// IPv6 packet with a header that is neither of options.
func checksumFails(ip []byte) bool {
	addresses, tcp := transport(ip)
	if tcp == nil {
		return false
	}
	sum := add(uint64(protocolTCP)+uint64(len(tcp)), addresses)
	sum = add(sum, tcp)
	for sum>>16 != 0 {
		sum = sum>>16 + sum&0xffff
	}
	return sum != 0xffff
}

// transport gives both addresses and the TCP segment, nil where it is not there as a whole.
func transport(ip []byte) (addresses, tcp []byte) {
	switch {
	case len(ip) >= 20 && ip[0]>>4 == 4:
		header, end := int(ip[0]&15)*4, int(binary.BigEndian.Uint16(ip[2:]))
		const fragment = 0x3fff // more of them, or the offset
		if ip[9] != protocolTCP || binary.BigEndian.Uint16(ip[6:])&fragment != 0 || header < 20 || end < header || end > len(ip) {
			return nil, nil
		}
		return ip[12:20], ip[header:end]
	case len(ip) >= 40 && ip[0]>>4 == 6:
		end := 40 + int(binary.BigEndian.Uint16(ip[4:]))
		if end > len(ip) {
			return nil, nil
		}
		next, rest := ip[6], ip[40:end]
		for next == protocolHopByHop || next == protocolDestination {
			if len(rest) < 2 || len(rest) < 8+int(rest[1])*8 {
				return nil, nil
			}
			next, rest = rest[0], rest[8+int(rest[1])*8:]
		}
		if next != protocolTCP {
			return nil, nil
		}
		return ip[8:40], rest
	}
	return nil, nil
}

// add sums up pairs of bytes, without the last carries.
func add(sum uint64, b []byte) uint64 {
	for ; len(b) >= 4; b = b[4:] {
		sum += uint64(binary.BigEndian.Uint32(b))
	}
	if len(b) >= 2 {
		sum += uint64(binary.BigEndian.Uint16(b))
		b = b[2:]
	}
	if len(b) == 1 {
		sum += uint64(b[0]) << 8
	}
	return sum
}
