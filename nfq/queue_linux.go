package nfq

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"
	"time"

	nfqueue "github.com/florianl/go-nfqueue/v2"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// A Queue feeds a Worker with the packets of one queue of the kernel. It stays with the
// network namespace of the thread that opened it.
type Queue struct {
	config QueueConfig
	worker *Worker
	nf     *nfqueue.Nfqueue
	kernel kernelList

	loop   loop
	counts queueCounters

	start  chan context.Context // to the library's goroutine: run until it is done
	quit   chan struct{}        // closed: do not
	ctx    context.Context      // what came of it there, nil for nothing
	ended  chan error           // from there
	stop   context.CancelFunc   // of the library's goroutines
	closed sync.Once
}

type queueCounters struct{ overflow, overruns, malformed, refused, reads, writes atomic.Uint64 }

// past is a deadline that makes a read end at once.
var past = time.Unix(1, 0)

// Open binds to the queue. From then on packets wait in it, until Run. The worker is the
// queue's.
//
// Errors: ErrQueueTaken; fs.ErrPermission without the
// capability CAP_NET_ADMIN, which verdicts take as well.
func Open(c QueueConfig, w *Worker) (*Queue, error) {
	q := &Queue{
		config: c.withDefaults(), worker: w,
		start: make(chan context.Context, 1), ended: make(chan error, 1),
	}
	if err := q.open(); err != nil {
		if errors.Is(err, fs.ErrPermission) && !errors.Is(err, ErrQueueTaken) {
			err = fmt.Errorf("%w: it takes root or the capability CAP_NET_ADMIN", err)
		}
		return nil, fmt.Errorf("opening queue %d: %w", c.Number, err)
	}
	return q, nil
}

func (q *Queue) open() error {
	// Binding goes wrong where packets come between its messages: the library takes
	// them for the answers. Rules that are there already make that happen.
	const tries = 50
	for n := 1; ; n++ {
		err := q.bind()
		if _, final := errors.AsType[unix.Errno](err); err == nil || final || n == tries {
			return err
		}
	}
}

func (q *Queue) bind() (err error) {
	if q.nf, err = nfqueue.Open(q.config.library()); err != nil {
		return err
	}
	if err = q.set(); err == nil {
		// Binding has the kernel load the module whose list this is.
		bound := q.register()
		err = errors.Join(taken(bound), q.kernel.open())
	}
	if err != nil {
		return errors.Join(err, q.unbind())
	}
	return nil
}

// taken says of an error in binding that another process has the queue, if it has: who may
// bind is else refused nothing.
func taken(err error) error {
	if errors.Is(err, unix.EBUSY) || errors.Is(err, unix.EPERM) && mayBind() {
		return fmt.Errorf("%w (%w)", ErrQueueTaken, err)
	}
	return err
}

// mayBind says that the thread has the capability CAP_NET_ADMIN.
func mayBind() bool {
	var sets [2]unix.CapUserData
	err := unix.Capget(&unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, &sets[0])
	return err == nil && sets[0].Effective&(1<<unix.CAP_NET_ADMIN) != 0
}

// unbind lets go of what bind got before it failed.
func (q *Queue) unbind() error {
	if q.stop != nil { // it was registered
		close(q.quit)
		q.stop()
		q.stop = nil
	}
	return errors.Join(q.nf.Close(), q.kernel.close())
}

// library is the configuration as the library wants it.
func (c *QueueConfig) library() *nfqueue.Config {
	n := &nfqueue.Config{
		NfQueue: c.Number, MaxQueueLen: c.Length, MaxPacketLen: c.CopyRange,
		Copymode: nfqueue.NfQnlCopyPacket, AfFamily: unix.AF_UNSPEC,
	}
	if c.FailOpen {
		n.Flags |= nfqueue.NfQaCfgFlagFailOpen
	}
	if !c.NoGSO {
		n.Flags |= nfqueue.NfQaCfgFlagGSO
	}
	return n
}

// set sets the socket's options.
func (q *Queue) set() error {
	if err := q.nf.Con.SetReadBuffer(q.config.Buffer); err != nil {
		return fmt.Errorf("setting the receive buffer: %w", err)
	}
	if err := q.nf.Con.SetOption(netlink.NoENOBUFS, !q.config.ReportOverruns); err != nil {
		return fmt.Errorf("setting NETLINK_NO_ENOBUFS: %w", err)
	}
	return nil
}

// register binds, and brings the library's goroutine to takeOver.
//
// The library opens, configures and unbinds the queue. Its way to receive costs four times
// the processor's time and 50 allocations a packet, so that its goroutine, which it starts
// with the binding, is to run our loop instead: as soon as a read fails the library asks
// whether to go on, and that question is answered when our loop has ended. Until the
// deadline makes its read fail, packets may come to early.
func (q *Queue) register() error {
	conn, err := q.nf.Con.SyscallConn()
	if err != nil {
		return err
	}
	q.loop.init(q, conn)
	q.quit = make(chan struct{})
	ctx, stop := context.WithCancel(context.Background())
	if err := q.nf.RegisterWithErrorFunc(ctx, q.early, q.takeOver); err != nil {
		stop()
		return err
	}
	q.stop = stop
	return q.nf.Con.SetReadDeadline(past)
}

// wait waits, on the library's goroutine, for Run, or for Close to come before it.
func (q *Queue) wait() (run bool) {
	if q.ctx != nil {
		return true
	}
	select {
	case q.ctx = <-q.start:
		return true
	case <-q.quit:
		return false
	}
}

// early takes a packet that the library received.
func (q *Queue) early(a nfqueue.Attribute) (leave int) {
	if !q.wait() {
		return 1
	}
	q.loop.early(&a)
	return 0
}

// takeOver runs the loop.
func (q *Queue) takeOver(error) (leave int) {
	if q.wait() {
		err := q.loop.run(q.ctx)
		q.worker.Close()
		_ = q.nf.Con.SetReadDeadline(time.Now().Add(time.Second)) // for unbinding
		q.ended <- err
	}
	return 1
}

// Run judges packets until ctx is done, and closes the queue and the worker. Rules that
// send packets here should be gone by then: what still comes is treated as if nobody
// listened. It is called once.
func (q *Queue) Run(ctx context.Context) error {
	q.start <- ctx
	var err error
	select {
	case err = <-q.ended:
	case <-q.quit:
		return os.ErrClosed
	}
	if err != nil {
		err = fmt.Errorf("reading queue %d: %w", q.config.Number, err)
	}
	return errors.Join(err, q.Close())
}

// Close closes a queue that does not run, or not any more.
func (q *Queue) Close() (err error) {
	q.closed.Do(func() {
		close(q.quit)
		err = q.close()
	})
	return err
}

func (q *Queue) close() error {
	q.stop()
	err := q.nf.Close()
	q.worker.Close()
	return errors.Join(err, q.kernel.close())
}

// Counts says how the queue fares. It may be called from any goroutine.
func (q *Queue) Counts() QueueCounts {
	k := &q.counts
	c := QueueCounts{
		Number:   q.config.Number,
		Overflow: k.overflow.Load(), Overruns: k.overruns.Load(), Malformed: k.malformed.Load(), Refused: k.refused.Load(),
		Reads: k.reads.Load(), Writes: k.writes.Load(),
	}
	c.Kernel, c.KernelErr = q.kernel.counts(q.config.Number)
	return c
}

// Worker is the one that judges the queue's packets.
func (q *Queue) Worker() *Worker { return q.worker }
