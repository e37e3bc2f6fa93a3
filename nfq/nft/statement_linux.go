package nft

import (
	"encoding/binary"
	"fmt"

	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// Statements load what they look at into this register; none uses another's.
const register = unix.NFT_REG_1

// Offsets of what is loaded from headers, in bytes.
const (
	ipv4Source, ipv4Destination = 12, 16 // RFC 791, Section 3.1
	ipv6Source, ipv6Destination = 8, 24  // RFC 8200, Section 3
	tcpSourcePort               = 0      // RFC 9293, Section 3.1
	tcpDestinationPort          = 2
	tcpFlags                    = 13 // the lower eight of them
	tcpChecksum                 = 16
)

func native32(v uint32) []byte { return binary.NativeEndian.AppendUint32(nil, v) }

func compare(op expr.CmpOp, data []byte) expr.Any {
	return &expr.Cmp{Op: op, Register: register, Data: data}
}

func load(key expr.MetaKey) expr.Any { return &expr.Meta{Key: key, Register: register} }

func payload(base expr.PayloadBase, offset, length uint32) expr.Any {
	return &expr.Payload{DestRegister: register, Base: base, Offset: offset, Len: length}
}

// masked leaves the register's bits of keep and then turns over those of flip.
func masked(keep, flip []byte) expr.Any {
	return &expr.Bitwise{SourceRegister: register, DestRegister: register, Len: uint32(len(keep)), Mask: keep, Xor: flip}
}

func notIn(set string) expr.Any {
	return &expr.Lookup{SourceRegister: register, SetName: set, Invert: true}
}

func in(set string) expr.Any { return &expr.Lookup{SourceRegister: register, SetName: set} }

// isTCP matches TCP, which statements about ports and flags take for granted.
func isTCP() Statement {
	return Statement{"meta l4proto tcp", []expr.Any{load(expr.MetaKeyL4PROTO), compare(expr.CmpOpEq, []byte{unix.IPPROTO_TCP})}}
}

func notTCP() Statement {
	return Statement{"meta l4proto != tcp", []expr.Any{load(expr.MetaKeyL4PROTO), compare(expr.CmpOpNeq, []byte{unix.IPPROTO_TCP})}}
}

// family is an address family inside the tables, which are of both.
type family struct {
	protocol, addr      string // nft's words
	number              byte
	source, destination uint32
	length              uint32
}

var (
	familyIPv4 = family{"ipv4", "ip", unix.NFPROTO_IPV4, ipv4Source, ipv4Destination, 4}
	familyIPv6 = family{"ipv6", "ip6", unix.NFPROTO_IPV6, ipv6Source, ipv6Destination, 16}
)

func (f family) match() []expr.Any {
	return []expr.Any{load(expr.MetaKeyNFPROTO), compare(expr.CmpOpEq, []byte{f.number})}
}

func isFamily(f family) Statement { return Statement{"meta nfproto " + f.protocol, f.match()} }

func sourceNotIn(f family, set string) Statement {
	return Statement{f.addr + " saddr != @" + set, append(f.match(), payload(expr.PayloadBaseNetworkHeader, f.source, f.length), notIn(set))}
}

func destinationIn(f family, set string) Statement {
	return Statement{f.addr + " daddr @" + set, append(f.match(), payload(expr.PayloadBaseNetworkHeader, f.destination, f.length), in(set))}
}

func portNotIn(set string) Statement {
	return Statement{"tcp dport != @" + set, append(isTCP().Exprs, payload(expr.PayloadBaseTransportHeader, tcpDestinationPort, 2), notIn(set))}
}

func portIsNot(p uint16) Statement {
	return Statement{fmt.Sprintf("tcp dport != %d", p), append(isTCP().Exprs,
		payload(expr.PayloadBaseTransportHeader, tcpDestinationPort, 2),
		compare(expr.CmpOpNeq, binary.BigEndian.AppendUint16(nil, p)))}
}

func interfaceNotIn(set string) Statement {
	return Statement{"iifname != @" + set, []expr.Any{load(expr.MetaKeyIIFNAME), notIn(set)}}
}

// toHost matches packets for an address that this host has.
func toHost() Statement {
	return Statement{"fib daddr type local", []expr.Any{
		&expr.Fib{Register: register, ResultADDRTYPE: true, FlagDADDR: true},
		compare(expr.CmpOpEq, native32(unix.RTN_LOCAL)),
	}}
}

// handshakeFlags are those that tell a first packet, with SYN alone, from all others.
const (
	flagFIN, flagSYN, flagRST, flagACK = 0x01, 0x02, 0x04, 0x10

	handshakeFlags = flagFIN | flagSYN | flagRST | flagACK
)

// flags matches by some of TCP's flags, in nft's words "tcp flags & " and the text.
func flags(text string, mask byte, op expr.CmpOp, value byte) Statement {
	return Statement{"tcp flags & " + text, append(isTCP().Exprs,
		payload(expr.PayloadBaseTransportHeader, tcpFlags, 1),
		masked([]byte{mask}, []byte{0}),
		compare(op, []byte{value}))}
}

// notNew matches all packets of a TCP connection but the first.
func notNew() Statement {
	return flags("(fin | syn | rst | ack) != syn", handshakeFlags, expr.CmpOpNeq, flagSYN)
}

// transparentSocket matches packets that a socket of this host is there for which may
// have a foreign address. That can be a listener too, if the packet is for its port.
func transparentSocket() Statement {
	return Statement{"socket transparent 1", []expr.Any{
		&expr.Socket{Key: expr.SocketKeyTransparent, Register: register},
		compare(expr.CmpOpEq, []byte{1}),
	}}
}

func markIs(mark, mask uint32) Statement {
	return Statement{fmt.Sprintf("meta mark & 0x%08x == 0x%08x", mask, mark), []expr.Any{
		load(expr.MetaKeyMARK), masked(native32(mask), native32(0)), compare(expr.CmpOpEq, native32(mark)),
	}}
}

func connectionMarkIs(mark, mask uint32) Statement {
	return Statement{fmt.Sprintf("ct mark & 0x%08x == 0x%08x", mask, mark), []expr.Any{
		&expr.Ct{Key: expr.CtKeyMARK, Register: register}, masked(native32(mask), native32(0)), compare(expr.CmpOpEq, native32(mark)),
	}}
}

// fromClient matches packets in the direction of a connection's first one.
func fromClient() Statement {
	return Statement{"ct direction original", []expr.Any{
		&expr.Ct{Key: expr.CtKeyDIRECTION, Register: register}, compare(expr.CmpOpEq, []byte{0}),
	}}
}

// setMark puts the mark, which is within the mask, among the other bits of the packet's.
func setMark(mark, mask uint32) Statement {
	text := fmt.Sprintf("meta mark set meta mark & 0x%08x", ^mask)
	if mark != 0 {
		text += fmt.Sprintf(" | 0x%08x", mark)
	}
	return Statement{text, []expr.Any{
		load(expr.MetaKeyMARK), masked(native32(^mask), native32(mark)),
		&expr.Meta{Key: expr.MetaKeyMARK, Register: register, SourceRegister: true},
	}}
}

// setConnectionMark is setMark for the connection's.
func setConnectionMark(mark, mask uint32) Statement {
	return Statement{fmt.Sprintf("ct mark set ct mark & 0x%08x | 0x%08x", ^mask, mark), []expr.Any{
		&expr.Ct{Key: expr.CtKeyMARK, Register: register}, masked(native32(^mask), native32(mark)),
		&expr.Ct{Key: expr.CtKeyMARK, Register: register, SourceRegister: true},
	}}
}

func port(p uint16) expr.Any {
	return &expr.Immediate{Register: register, Data: binary.BigEndian.AppendUint16(nil, p)}
}

// redirectTo ends the rule.
func redirectTo(p uint16) Statement {
	return Statement{fmt.Sprintf("redirect to :%d", p), []expr.Any{
		port(p), &expr.Redir{RegisterProtoMin: register, Flags: unix.NF_NAT_RANGE_PROTO_SPECIFIED},
	}}
}

// tproxyTo gives the packet to a transparent socket of this host: one of its connection,
// or else the listener of that port. Where there is neither, the rule ends here and the
// next is tried.
func tproxyTo(p uint16) Statement {
	return Statement{fmt.Sprintf("tproxy to :%d", p), []expr.Any{
		port(p), &expr.TProxy{Family: unix.NFPROTO_UNSPEC, TableFamily: unix.NFPROTO_INET, RegPort: register},
	}}
}

func counter() Statement { return Statement{"counter", []expr.Any{&expr.Counter{}}} }

func verdict(text string, kind expr.VerdictKind) Statement {
	return Statement{text, []expr.Any{&expr.Verdict{Kind: kind}}}
}

// accept ends this chain; chains of others are still asked.
func accept() Statement { return verdict("accept", expr.VerdictAccept) }

func drop() Statement { return verdict("drop", expr.VerdictDrop) }

// leave leaves the packet alone. It says return, which in a base chain is accept,
// because that is not a judgement.
func leave() Statement { return verdict("return", expr.VerdictReturn) }
