package pcaps

import (
	"context"
	"slices"

	"sstpwarden/inspect/tcpflow"
	"sstpwarden/pcaps/capfile"
)

// batchesAhead is how many batches of packets there are between a source and
// the flow table, so that neither has to wait for the other where packets cost
// them unevenly. With the largest buffers of package capfile that is 8 MiB.
const batchesAhead = 4

// A batch is packets on their way from a file to the flow table.
type batch struct {
	raw      capfile.Batch
	segments []tcpflow.Segment
	bytes    uint64    // of the packets, on the wire
	secrets  []secrets // that stood before the packets
}

// secrets are the content of a pcapng file's Decryption Secrets Block.
type secrets struct {
	kind uint32
	data []byte
}

// A source reads and decodes packets in a goroutine of its own, while the
// batches before are being looked at. It hands them on in the file's order,
// so that what comes of them does not depend on who is faster.
type source struct {
	full    chan *batch     // closed when there is no more
	err     error           // then, why: io.EOF at the end of the file, or what kept it from being opened
	free    chan *batch     // batches that were looked at
	stop    chan struct{}   // closed when no more are wanted
	reader  *capfile.Reader // set before the first batch
	decoder *tcpflow.Decoder
	found   []secrets
}

// openSource begins to read a capture. The decoder is the source's until end
// returns.
func openSource(path string, d *tcpflow.Decoder) *source {
	s := &source{
		full: make(chan *batch, batchesAhead), free: make(chan *batch, batchesAhead),
		stop: make(chan struct{}), decoder: d,
	}
	for range batchesAhead {
		s.free <- &batch{}
	}
	go s.run(path)
	return s
}

// run fills batches. Only the wait for one that is free can take long: full
// has room for all there are.
func (s *source) run(path string) {
	defer close(s.full)
	s.reader, s.err = capfile.Open(path, capfile.Options{OnSecrets: func(kind uint32, data []byte) {
		s.found = append(s.found, secrets{kind, data})
	}})
	if s.err != nil {
		return
	}
	defer func() { _ = s.reader.Close() }() // it was only read
	for {
		select {
		case <-s.stop:
			return
		case b := <-s.free:
			s.err = s.fill(b)
			if s.err == nil || len(b.secrets) > 0 {
				s.full <- b
			}
			if s.err != nil {
				return
			}
		}
	}
}

func (s *source) fill(b *batch) error {
	err := s.reader.NextBatch(&b.raw)
	b.secrets, s.found = s.found, nil
	b.bytes = 0
	n := len(b.raw.Packets)
	b.segments = slices.Grow(b.segments[:0], n)[:n]
	for i := range b.raw.Packets {
		p := &b.raw.Packets[i]
		b.bytes += uint64(p.Length)
		s.decoder.Decode(&b.segments[i], tcpflow.LinkType(p.Link), p.Time, p.Data, p.Length)
	}
	return err
}

// next waits for a batch, nil where there is no more, or until ctx is done:
// nothing can end a read from a pipe that nobody writes to.
func (s *source) next(ctx context.Context) (*batch, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	select {
	case b := <-s.full:
		return b, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// end waits until nothing is read any more.
func (s *source) end() {
	close(s.stop)
	for range s.full { // it is closed last
	}
}

// abandon does not wait: where reading hangs, it goes on until the program
// ends. The decoder must not be used any more.
func (s *source) abandon() { close(s.stop) }
