package nft

import (
	"encoding/binary"
	"fmt"

	"github.com/google/nftables/expr"
	"github.com/google/nftables/xt"
	"golang.org/x/sys/unix"
)

func jump(chain string) Statement {
	return Statement{"jump " + chain, []expr.Any{&expr.Verdict{Kind: expr.VerdictJump, Chain: chain}}}
}

func goTo(chain string) Statement {
	return Statement{"goto " + chain, []expr.Any{&expr.Verdict{Kind: expr.VerdictGoto, Chain: chain}}}
}

func isFirst() Statement {
	return flags("(fin | syn | rst | ack) == syn", handshakeFlags, expr.CmpOpEq, flagSYN)
}

func isReset() Statement { return flags("rst == rst", flagRST, expr.CmpOpEq, flagRST) }

// canReset matches what can be turned into a reset: nobody takes one from the first packet,
// which acknowledges nothing.
func canReset() Statement {
	return flags("(rst | ack) == ack", flagRST|flagACK, expr.CmpOpEq, flagACK)
}

// turnIntoReset leaves RST and ACK of the flags. The sequence number is the one that the
// receiver expects next, if nothing before the packet was lost, and it takes such a reset.
// Otherwise it asks for another by an acknowledgement.
func turnIntoReset() Statement {
	// The two bytes from the data offset on: checksums are of pairs of bytes.
	return Statement{"tcp flags set rst | ack", append(isTCP().Exprs,
		payload(expr.PayloadBaseTransportHeader, tcpFlags-1, 2),
		masked([]byte{0xff, 0}, []byte{0, flagRST | flagACK}),
		&expr.Payload{
			OperationType: expr.PayloadWrite, SourceRegister: register,
			Base: expr.PayloadBaseTransportHeader, Offset: tcpFlags - 1, Len: 2,
			CsumType: expr.CsumTypeInet, CsumOffset: tcpChecksum,
		})}
}

// reject answers the sender of a TCP packet with a reset that has the sequence number
// which the packet acknowledges, and drops the packet. A reset gets no answer.
func reject() Statement {
	return Statement{"reject with tcp reset", []expr.Any{&expr.Reject{Type: unix.NFT_REJECT_TCP_RST}}}
}

func state(text string, bits uint32) Statement {
	return Statement{"ct state " + text, []expr.Any{
		&expr.Ct{Key: expr.CtKeySTATE, Register: register}, masked(native32(bits), native32(0)), compare(expr.CmpOpNeq, native32(0)),
	}}
}

// isEstablished matches all but the first packets of a connection, up to its first answer.
func isEstablished() Statement { return state("established", expr.CtStateBitESTABLISHED) }

// isUntracked matches packets that belong to no connection as the kernel sees it. They
// have no connection mark, and a rule that sets it does nothing.
func isUntracked() Statement {
	return state("invalid,untracked", expr.CtStateBitINVALID|expr.CtStateBitUNTRACKED)
}

// fromServer is the opposite of fromClient.
func fromServer() Statement {
	return Statement{"ct direction reply", []expr.Any{
		&expr.Ct{Key: expr.CtKeyDIRECTION, Register: register}, compare(expr.CmpOpEq, []byte{1}),
	}}
}

// hasMark matches packets with any bit of the mask.
func hasMark(mask uint32) Statement {
	return Statement{fmt.Sprintf("meta mark & 0x%08x != 0x00000000", mask), []expr.Any{
		load(expr.MetaKeyMARK), masked(native32(mask), native32(0)), compare(expr.CmpOpNeq, native32(0)),
	}}
}

func comesBy(name string) Statement {
	return Statement{fmt.Sprintf("iifname %q", name), []expr.Any{load(expr.MetaKeyIIFNAME), compare(expr.CmpOpEq, interfaceName(name))}}
}

func goesBy(name string) Statement {
	return Statement{fmt.Sprintf("oifname %q", name), []expr.Any{load(expr.MetaKeyOIFNAME), compare(expr.CmpOpEq, interfaceName(name))}}
}

func outInterfaceNotIn(set string) Statement {
	return Statement{"oifname != @" + set, []expr.Any{load(expr.MetaKeyOIFNAME), notIn(set)}}
}

func sourceIn(f family, set string) Statement {
	return Statement{f.addr + " saddr @" + set, append(f.match(), payload(expr.PayloadBaseNetworkHeader, f.source, f.length), in(set))}
}

func destinationNotIn(f family, set string) Statement {
	return Statement{f.addr + " daddr != @" + set, append(f.match(), payload(expr.PayloadBaseNetworkHeader, f.destination, f.length), notIn(set))}
}

func sourcePortNotIn(set string) Statement {
	return Statement{"tcp sport != @" + set, append(isTCP().Exprs, payload(expr.PayloadBaseTransportHeader, tcpSourcePort, 2), notIn(set))}
}

// firstRegister is the first of those of four bytes each. What is looked up in a set of
// concatenations stands in one after the other.
const firstRegister = unix.NFT_REG32_00

// bannedIn matches packets to a server and port that are in the set, with the client's
// address before them if client is true.
func bannedIn(f family, client bool, set string) Statement {
	text, exprs, to := "", append(f.match(), isTCP().Exprs...), uint32(firstRegister)
	add := func(base expr.PayloadBase, offset, length uint32) {
		exprs = append(exprs, &expr.Payload{DestRegister: to, Base: base, Offset: offset, Len: length})
		to += (length + 3) / 4
	}
	if client {
		text = f.addr + " saddr . "
		add(expr.PayloadBaseNetworkHeader, f.source, f.length)
	}
	add(expr.PayloadBaseNetworkHeader, f.destination, f.length)
	add(expr.PayloadBaseTransportHeader, tcpDestinationPort, 2)
	return Statement{
		text + f.addr + " daddr . tcp dport @" + set,
		append(exprs, &expr.Lookup{SourceRegister: firstRegister, SetName: set}),
	}
}

// Flags of struct xt_NFQ_info_v3, linux/netfilter/xt_NFQUEUE.h.
const nfqueueBypass = 0x01

// queueTo sends packets to count queues from the first on. The kernel chooses by a hash
// of both addresses that is the same for both directions, and that all rules have in
// common; spreading by processor, nft's flag fanout, would part directions.
func queueTo(by QueueStatement, first, count uint16, bypass bool) Statement {
	text := "queue "
	if bypass {
		text = "queue flags bypass "
	}
	text += fmt.Sprintf("to %d", first)
	if count > 1 {
		text += fmt.Sprintf("-%d", first+count-1)
	}
	if by == QueueCompat {
		// Two bytes each for the first number, the count and flags, and two more
		// to make it a multiple of the longest type.
		info := binary.NativeEndian.AppendUint16(nil, first)
		info = binary.NativeEndian.AppendUint16(info, count)
		flags := uint16(0)
		if bypass {
			flags = nfqueueBypass
		}
		info = append(binary.NativeEndian.AppendUint16(info, flags), 0, 0)
		return Statement{text, []expr.Any{&expr.Target{Name: "NFQUEUE", Rev: 3, Info: new(xt.Unknown(info))}}}
	}
	q := &expr.Queue{Num: first, Total: count}
	if bypass {
		q.Flag = expr.QueueFlagBypass
	}
	return Statement{text, []expr.Any{q}}
}
