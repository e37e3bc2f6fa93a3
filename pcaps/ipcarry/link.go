package ipcarry

import (
	"sync"
	"sync/atomic"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

const (
	// linkRoom is how many bytes a stack may have waiting for its tunnel before those
	// who send data wait: half a second of a tunnel of 5 Mbit/s, and enough that the
	// writer never runs dry.
	linkRoom = 384 << 10
	// linkCost is what a packet takes of it beside its bytes.
	linkCost = 512
	// linkReserve is the room on top for packets that cannot wait. Those come out of
	// Deliver, which must not wait for the way out; TCP and its users get over their
	// loss.
	linkReserve = 64 << 10
	// linkUnread is how many packets without data a stack may have taken in and not
	// worked on. gVisor bounds what carries data by the receive buffer and does not bound
	// the rest.
	linkUnread = 4096
)

// A link is a stack's network card: it hands packets to a Tunnel and takes those of
// Deliver. What a stack sends waits in a queue that is bounded by bytes.
type link struct {
	mtu    uint32
	tunnel Tunnel

	dispatcher atomic.Pointer[stack.NetworkDispatcher]
	unread     atomic.Int64
	release    func() // called as soon as a counted packet is done with
	// dropIn and dropOut count packets that were dropped for want of room.
	dropIn, dropOut atomic.Uint64

	mu      sync.Mutex
	work    sync.Cond
	room    sync.Cond
	queue   []*stack.PacketBuffer
	bytes   int
	waiting int
	closed  bool
	done    chan struct{}
}

var _ stack.LinkEndpoint = (*link)(nil)

func newLink(mtu int, t Tunnel) *link {
	l := &link{mtu: uint32(mtu), tunnel: t, done: make(chan struct{})}
	l.work.L, l.room.L = &l.mu, &l.mu
	l.release = func() { l.unread.Add(-1) }
	go l.write()
	return l
}

// inject hands a packet from the tunnel to the stack.
func (l *link) inject(p *packet) {
	d := l.dispatcher.Load()
	if d == nil {
		return
	}
	options := stack.PacketBufferOptions{Payload: buffer.MakeWithData(p.bytes)}
	if !p.fragment && !p.carriesTCPData() {
		if l.unread.Add(1) > linkUnread {
			l.unread.Add(-1)
			l.dropIn.Add(1)
			return
		}
		options.OnRelease = l.release
	}
	proto := header.IPv4ProtocolNumber
	if p.src.Is6() {
		proto = header.IPv6ProtocolNumber
	}
	pkt := stack.NewPacketBuffer(options)
	(*d).DeliverNetworkPacket(proto, pkt)
	pkt.DecRef()
}

// WritePackets queues packets. Those with data wait for room.
func (l *link) WritePackets(list stack.PacketBufferList) (int, tcpip.Error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for _, pkt := range list.AsSlice() {
		if l.closed {
			return n, &tcpip.ErrClosedForSend{}
		}
		if !l.admit(pkt) {
			l.dropOut.Add(1)
			n++ // TCP takes an error for a broken link, a loss for what it is
			continue
		}
		if l.closed {
			return n, &tcpip.ErrClosedForSend{}
		}
		l.queue = append(l.queue, pkt.IncRef())
		l.bytes += pkt.Size() + linkCost
		n++
		if len(l.queue) == 1 {
			l.work.Signal()
		}
	}
	return n, nil
}

// admit waits until there is room for pkt, if it is one that can wait, and tells whether
// there is.
func (l *link) admit(pkt *stack.PacketBuffer) bool {
	if !canWait(pkt) {
		return l.bytes < linkRoom+linkReserve
	}
	for l.bytes >= linkRoom && !l.closed {
		l.waiting++
		l.room.Wait()
		l.waiting--
	}
	return true
}

// canWait tells whether pkt comes from who may wait: TCP data and UDP come from a
// goroutine of the connection, all else may come out of Deliver.
func canWait(pkt *stack.PacketBuffer) bool {
	network := pkt.NetworkHeader().Slice()
	if len(network) == 0 {
		return false
	}
	proto := uint8(0)
	if network[0]>>4 == 4 {
		proto = network[9]
	} else {
		proto = network[6]
	}
	return proto == protoUDP || proto == protoTCP && pkt.Data().Size() > 0
}

// send queues a packet that is complete already and cannot wait.
func (l *link) send(p []byte) {
	pkt := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: buffer.MakeWithData(p)})
	defer pkt.DecRef()
	var list stack.PacketBufferList
	list.PushBack(pkt)
	_, _ = l.WritePackets(list)
}

// write hands the queue to the tunnel until the link is closed.
func (l *link) write() {
	defer close(l.done)
	var batch []*stack.PacketBuffer
	flat := make([]byte, 0, l.mtu)
	for {
		l.mu.Lock()
		for len(l.queue) == 0 && !l.closed {
			l.work.Wait()
		}
		batch, l.queue = l.queue, batch[:0]
		closed := l.closed
		l.mu.Unlock()

		for i, pkt := range batch {
			if !closed {
				flat = flat[:0]
				for _, part := range pkt.AsSlices() {
					flat = append(flat, part...)
				}
				// A tunnel that has ended says so to its owner, who closes the link.
				_ = l.tunnel.WritePacket(flat)
			}
			batch[i] = nil
			closed = l.free(pkt.Size())
			pkt.DecRef()
		}
		if closed {
			return
		}
	}
}

// free gives the room of a packet back and tells whether the link is closed.
func (l *link) free(n int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.bytes -= n + linkCost
	if l.waiting > 0 && l.bytes < linkRoom {
		l.room.Signal()
	}
	return l.closed
}

// stop lets nobody wait any longer and drops what is queued.
func (l *link) stop() {
	l.mu.Lock()
	l.closed = true
	l.work.Signal()
	l.room.Broadcast()
	queue := l.queue
	l.queue = nil
	l.mu.Unlock()
	for _, pkt := range queue {
		l.free(pkt.Size())
		pkt.DecRef()
	}
}

// The rest of stack.LinkEndpoint: a link without addresses and headers of its own.

// Attach takes the stack that the link belongs to, nil for none any more.
func (l *link) Attach(d stack.NetworkDispatcher) {
	if d == nil {
		l.dispatcher.Store(nil)
		return
	}
	l.dispatcher.Store(&d)
}

func (l *link) IsAttached() bool                             { return l.dispatcher.Load() != nil }
func (l *link) MTU() uint32                                  { return l.mtu }
func (l *link) SetMTU(uint32)                                {}
func (l *link) MaxHeaderLength() uint16                      { return 0 }
func (l *link) LinkAddress() tcpip.LinkAddress               { return "" }
func (l *link) SetLinkAddress(tcpip.LinkAddress)             {}
func (l *link) Capabilities() stack.LinkEndpointCapabilities { return 0 }
func (l *link) Wait()                                        {}
func (l *link) ARPHardwareType() header.ARPHardwareType      { return header.ARPHardwareNone }
func (l *link) AddHeader(*stack.PacketBuffer)                {}
func (l *link) ParseHeader(*stack.PacketBuffer) bool         { return true }
func (l *link) Close()                                       {}
func (l *link) SetOnCloseAction(func())                      {}
