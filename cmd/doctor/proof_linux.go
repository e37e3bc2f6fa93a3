package doctor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"syscall"
	"time"

	"sstpwarden/inspect"
	"sstpwarden/nfq"
	"sstpwarden/nfq/nft"
	"sstpwarden/pcaps/netlab"
	"sstpwarden/policies"
	"sstpwarden/rules"
)

// A proof has the kernel do one of the things that the inspector asks of it.
type proof struct {
	name  string
	prove func(t *trial, ctx context.Context) (detail string, err error)
}

var proofs = []proof{
	{"bypass", (*trial).bypass},
	{"queue and large packets", (*trial).queued},
	{"mark", (*trial).mark},
	{"reset", (*trial).reset},
	{"ban", (*trial).ban},
}

func (p proof) run(ctx context.Context, o nft.InspectOptions, server string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, proofTime)
	defer cancel()
	lab, err := netlab.NewRouted()
	if err != nil {
		return "", err
	}
	defer func() { _ = lab.Close() }()
	t := &trial{lab: lab, options: o, server: server}
	detail, err := p.prove(t, ctx)
	return detail, errors.Join(err, t.end())
}

// A trial is the inspector on the router of a network of three hosts.
type trial struct {
	lab     *netlab.Routed
	options nft.InspectOptions
	server  string // its address

	table *nft.Inspection
	queue *nfq.Queue
	stop  context.CancelFunc
	done  chan error // of the queue
}

// install has the router send packets to the queue.
func (t *trial) install() error {
	return t.lab.Router.Do(func() (err error) {
		t.table, err = nft.SetupInspect(t.options)
		return err
	})
}

// inspect has the packets read, and does with a connection that carried something
// what choice says. Watched ones are taken for such that were up before, which are
// looked at for longer.
func (t *trial) inspect(choice nfq.Choice) error {
	inspector := inspect.NewInspector(inspect.Options{Rules: rules.Default()})
	allow := policies.DeciderFunc(func(context.Context, policies.Input) (policies.Decision, error) {
		return policies.Decision{Action: policies.ActionAllow, Reason: "It is a proof.", Rule: "doctor"}, nil
	})
	c := nfq.Config{
		Inspector:  func() *inspect.Inspector { return inspector },
		Gate:       &policies.Gate{Decider: allow, Point: policies.PointNFQ},
		Exceptions: nfq.Exceptions{Undecided: choice}, Budget: 1,
	}
	if choice == nfq.Watch {
		c.Simulate = []nfq.Cause{nfq.CauseMidstream}
	}
	worker := nfq.New(c)
	err := t.lab.Router.Do(func() (err error) {
		t.queue, err = nfq.Open(nfq.QueueConfig{Number: t.options.Queue, Marks: t.options.Marks(), FailOpen: true}, worker)
		return err
	})
	if err != nil {
		return err
	}
	if err := t.install(); err != nil {
		return errors.Join(err, t.queue.Close())
	}
	reading, stop := context.WithCancel(context.Background())
	t.stop, t.done = stop, make(chan error, 1)
	go func() { t.done <- t.queue.Run(reading) }()
	return nil
}

// end removes the table, then stops reading. It may be called again.
func (t *trial) end() error {
	var errs []error
	if t.table != nil {
		errs = append(errs, t.table.Close())
		t.table = nil
	}
	if t.stop != nil {
		t.stop()
		errs = append(errs, <-t.done)
		t.stop = nil
	}
	return errors.Join(errs...)
}

// answerSize is many packets, with and without segmentation offload.
const answerSize = 4 << 20

// exchange has the client ask and the server answer, and gives the errors of both.
func (t *trial) exchange(ctx context.Context) (client, server error) {
	ln, err := t.lab.Server.Listen(ctx, net.JoinHostPort(t.server, "443"), net.ListenConfig{})
	if err != nil {
		return err, err
	}
	defer func() { _ = ln.Close() }()
	deadline, _ := ctx.Deadline()
	served := make(chan error, 1)
	go func() { served <- serveOne(ln, deadline) }()
	conn, err := t.lab.Client.Dial(ctx, net.JoinHostPort(t.server, "443"), net.Dialer{})
	if err != nil {
		_ = ln.Close()
		return err, <-served
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(deadline)
	if _, err = io.WriteString(conn, "question"); err == nil {
		var n int64
		if n, err = io.Copy(io.Discard, conn); err == nil && n != answerSize {
			err = fmt.Errorf("%d bytes came of %d", n, answerSize)
		}
	}
	return err, <-served
}

func serveOne(ln net.Listener, deadline time.Time) error {
	conn, err := ln.Accept()
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(deadline)
	if _, err := io.ReadFull(conn, make([]byte, len("question"))); err != nil {
		return err
	}
	_, err = conn.Write(bytes.Repeat([]byte{0}, answerSize))
	return err
}

// passes is exchange where both ends are to see nothing of the inspection.
func (t *trial) passes(ctx context.Context) error { return errors.Join(t.exchange(ctx)) }

// bypass has a connection pass that nobody reads the queue of.
func (t *trial) bypass(ctx context.Context) (string, error) {
	if err := t.install(); err != nil {
		return "", err
	}
	if err := t.passes(ctx); err != nil {
		return "", fmt.Errorf("a connection did not pass while nobody read the queue: %w", err)
	}
	return "a connection passed while nobody read the queue", nil
}

// queued has packets read as long as they are looked at.
func (t *trial) queued(ctx context.Context) (string, error) {
	if err := t.inspect(nfq.Watch); err != nil {
		return "", err
	}
	if err := t.passes(ctx); err != nil {
		return "", fmt.Errorf("a connection did not pass the queue: %w", err)
	}
	const networks = 1500 // what a packet has at most without segmentation offload
	c := t.queue.Worker().Counts()
	switch {
	case c.Packets == 0:
		return "", errors.New("a connection passed, and nothing of it came by the queue")
	case c.Bytes/c.Packets <= networks:
		return "", fmt.Errorf("%d packets of %d bytes came by the queue: large ones were cut up", c.Packets, c.Bytes/c.Packets)
	}
	return fmt.Sprintf("%d packets of %d bytes on average came by the queue", c.Packets, c.Bytes/c.Packets), nil
}

// mark has a connection leave the queue.
func (t *trial) mark(ctx context.Context) (string, error) {
	if err := t.inspect(nfq.Let); err != nil {
		return "", err
	}
	if err := t.passes(ctx); err != nil {
		return "", fmt.Errorf("a connection did not pass once it was settled: %w", err)
	}
	counters, err := t.table.Counters()
	if err != nil {
		return "", err
	}
	c := t.queue.Worker().Counts()
	if c.Bytes >= answerSize || counters[nft.CountSettled].Packets == 0 {
		return "", fmt.Errorf("a connection was settled, and %d bytes of it came by the queue all the same", c.Bytes)
	}
	return fmt.Sprintf("after %d packets the kernel carried the other %d", c.Packets, counters[nft.CountSettled].Packets), nil
}

// reset has a connection cut at both ends.
func (t *trial) reset(ctx context.Context) (string, error) {
	if err := t.inspect(nfq.Cut); err != nil {
		return "", err
	}
	begin := time.Now()
	client, server := t.exchange(ctx)
	for end, err := range map[string]error{"client": client, "server": server} {
		if !errors.Is(err, syscall.ECONNRESET) {
			return "", errors.Join(fmt.Errorf("the %s of a connection that was cut saw no reset", end), err)
		}
	}
	return fmt.Sprintf("both ends were reset within %s", time.Since(begin).Round(time.Millisecond)), nil
}

// ban has a client refused.
func (t *trial) ban(ctx context.Context) (string, error) {
	if err := t.inspect(nfq.Let); err != nil {
		return "", err
	}
	server := netip.AddrPortFrom(netip.MustParseAddr(t.server), 443)
	client := netip.MustParseAddr(netlab.Client4)
	if server.Addr().Is6() {
		client = netip.MustParseAddr(netlab.Client6)
	}
	if err := t.table.Ban(nft.Ban{Server: server, For: time.Minute}); err != nil {
		return "", err
	}
	if client, _ := t.exchange(ctx); !errors.Is(client, syscall.ECONNREFUSED) {
		return "", errors.Join(errors.New("a connection to a banned server was not refused"), client)
	}
	if err := t.table.Unban(nft.Ban{Server: server}); err != nil {
		return "", err
	}
	if err := t.table.Ban(nft.Ban{Client: client, Server: netip.AddrPortFrom(server.Addr(), 444), For: time.Minute}); err != nil {
		return "", err
	}
	if err := t.passes(ctx); err != nil {
		return "", fmt.Errorf("a connection did not pass whose ban was taken back: %w", err)
	}
	return "a banned connection was refused, and passed once the ban was taken back", nil
}
