package nft

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// What sock_diag(7) is asked, of linux/sock_diag.h and linux/inet_diag.h.
const (
	diagByFamily = 20 // SOCK_DIAG_BY_FAMILY

	diagMark       = 15 // INET_DIAG_MARK, which takes CAP_NET_ADMIN
	diagRequestLen = 56 // inet_diag_req_v2
	diagAnswerLen  = 72 // inet_diag_msg
	diagQueue      = 60 // idiag_wqueue in it: what was written and is not acknowledged
)

// Sets of states of sockets, of net/tcp_states.h.
const (
	// statesOpening are those of connections that the listener does not have yet.
	statesOpening = 1 << unix.BPF_TCP_SYN_RECV
	// statesClosing are those in which the end, or something before it, was sent and
	// is not acknowledged. In those after them nothing of ours is under way.
	statesClosing = 1<<unix.BPF_TCP_FIN_WAIT1 | 1<<unix.BPF_TCP_LAST_ACK | 1<<unix.BPF_TCP_CLOSING
)

// A diag looks at the proxy's sockets, those that no process has any more among them.
type diag struct {
	conn *netlink.Conn
	err  error // why there is no conn
	// A redirected connection's socket is told by its port, since what the proxy dials
	// needs no rules; with TPROXY all are told by their mark.
	port       uint16
	mark, mask uint32
}

// openDiag makes one that is for the network namespace of the caller.
func openDiag(o ProxyOptions) *diag {
	d := &diag{}
	if d.conn, d.err = netlink.Dial(unix.NETLINK_SOCK_DIAG, nil); d.err != nil {
		d.err = fmt.Errorf("opening sock_diag: %w", d.err)
	}
	if o.Mode == Redirect {
		d.port = o.Port
	} else {
		d.mark, d.mask = o.Mark, o.Mask
	}
	return d
}

func (d *diag) close() error {
	if d == nil || d.conn == nil {
		return nil
	}
	return d.conn.Close()
}

// A tally is of sockets.
type tally struct {
	sockets int
	bytes   uint64 // written and not acknowledged
}

// count counts sockets in these states.
func (d *diag) count(states uint32) (tally, error) {
	if d.err != nil {
		return tally{}, d.err
	}
	var sum tally
	for _, f := range families {
		answers, err := d.conn.Execute(d.request(byte(f), states))
		if err != nil {
			return tally{}, fmt.Errorf("listing sockets of %s: %w", familyName(f), err)
		}
		for _, m := range answers {
			ours, err := d.ours(m.Data)
			if err != nil {
				return tally{}, fmt.Errorf("listing sockets of %s: %w", familyName(f), err)
			}
			if ours {
				sum.sockets++
				sum.bytes += uint64(binary.NativeEndian.Uint32(m.Data[diagQueue:]))
			}
		}
	}
	return sum, nil
}

// request asks for sockets in some states; the kernel picks those of a port itself.
func (d *diag) request(family byte, states uint32) netlink.Message {
	b := make([]byte, diagRequestLen)
	b[0], b[1] = family, unix.IPPROTO_TCP
	binary.NativeEndian.PutUint32(b[4:], states)
	binary.BigEndian.PutUint16(b[8:], d.port)
	return netlink.Message{Header: netlink.Header{Type: diagByFamily, Flags: netlink.Request | netlink.Dump}, Data: b}
}

var errShortDiag = errors.New("sock_diag's answer is too short")

func (d *diag) ours(answer []byte) (bool, error) {
	if len(answer) < diagAnswerLen {
		return false, errShortDiag
	}
	if d.port != 0 {
		return true, nil
	}
	attrs, err := netlink.NewAttributeDecoder(answer[diagAnswerLen:])
	if err != nil {
		return false, err
	}
	for attrs.Next() {
		if attrs.Type() == diagMark {
			return attrs.Uint32()&d.mask == d.mark, nil
		}
	}
	return false, attrs.Err()
}
