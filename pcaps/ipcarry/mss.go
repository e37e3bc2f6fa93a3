package ipcarry

import "encoding/binary"

const (
	tcpHeader     = 20
	tcpOffsetSum  = 16
	tcpFlagSYN    = 0x02
	tcpOptionEnd  = 0
	tcpOptionNop  = 1
	tcpOptionMSS  = 2 // RFC 9293, Section 3.2
	tcpOptionSize = 4 // of the MSS option
)

// ClampMSS lowers the maximum segment size that a TCP SYN of IPv4 or IPv6 offers to what
// fits into mtu bytes, in place, and corrects the checksum by the difference (RFC 1624).
// All other packets stay as they are, and so does a SYN without the option.
func ClampMSS(p []byte, mtu int) {
	ip, ok := parsePacket(p)
	if !ok || ip.proto != protoTCP || ip.fragment {
		return
	}
	tcp := ip.data()
	header := ipv4Header
	if ip.src.Is6() {
		header = ipv6Header
	}
	limit := mtu - header - tcpHeader
	if limit <= 0 || len(tcp) < tcpHeader || tcp[13]&tcpFlagSYN == 0 {
		return
	}
	end := min(int(tcp[12]>>4)*4, len(tcp))
	for at := tcpHeader; at < end; {
		switch tcp[at] {
		case tcpOptionEnd:
			return
		case tcpOptionNop:
			at++
			continue
		}
		if at+2 > end || tcp[at+1] < 2 || at+int(tcp[at+1]) > end {
			return
		}
		if tcp[at] == tcpOptionMSS && tcp[at+1] == tcpOptionSize {
			lower(tcp, at+2, uint16(min(limit, 0xffff)))
			return
		}
		at += int(tcp[at+1])
	}
}

// lower writes value at tcp[at:] if a larger one stands there.
func lower(tcp []byte, at int, value uint16) {
	old := binary.BigEndian.Uint16(tcp[at:])
	if old <= value {
		return
	}
	binary.BigEndian.PutUint16(tcp[at:], value)
	if at%2 != 0 { // the checksum sees the bytes in two words
		old, value = old<<8|old>>8, value<<8|value>>8
	}
	was := binary.BigEndian.Uint16(tcp[tcpOffsetSum:])
	binary.BigEndian.PutUint16(tcp[tcpOffsetSum:], fold(uint32(^was)+uint32(^old)+uint32(value)))
}
