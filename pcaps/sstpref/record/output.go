package record

import (
	"bufio"
	"time"

	"sstpwarden/pcaps/capfile"
)

// application is what captures call the program.
const application = "sstplab"

// nanoseconds is the resolution of the time stamps.
const nanoseconds = 9

// An output writes packets and secrets to the file.
type output struct {
	buffer *bufio.Writer
	file   *capfile.Writer
	id     uint32 // of the interface
	framer *framer
	clock  clock
}

// begin writes what a file begins with.
func (o *output) begin(comment string) (err error) {
	if o.file, err = capfile.NewWriter(o.buffer, capfile.Section{Comment: comment, Application: application}); err != nil {
		return err
	}
	if o.id, err = o.file.Interface(capfile.Interface{Link: capfile.LinkTypeEthernet, Resolution: nanoseconds}); err != nil {
		return err
	}
	return o.buffer.Flush()
}

// write writes secrets, and then the packets of the events. What was written
// reaches the file when there is nothing else to write.
func (o *output) write(b *batch) error {
	if len(b.secrets) > 0 {
		if err := o.file.Secrets(capfile.SecretsTLSKeyLog, b.secrets); err != nil {
			return err
		}
	}
	for i := range b.events {
		if err := b.events[i].conn.talk.take(&b.events[i], o.packet); err != nil {
			return err
		}
	}
	if len(b.events) == 0 || b.last {
		return o.buffer.Flush()
	}
	return nil
}

func (o *output) packet(p *packet) error {
	frame, err := o.framer.frame(p)
	if err != nil {
		return err
	}
	return o.file.Packet(o.id, o.clock.stamp(p.at), frame, len(frame))
}

// A clock gives time stamps that always rise.
type clock struct {
	began time.Time
	last  uint64
}

// stamp is a time since the capture began in nanoseconds since 1970.
func (c *clock) stamp(at time.Duration) uint64 {
	c.last = max(c.last+1, uint64(c.began.UnixNano()+int64(at)))
	return c.last
}
