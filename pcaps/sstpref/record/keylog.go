package record

import "bytes"

const (
	// maxLine bounds a line of secrets. Those of TLS have up to 211 bytes.
	maxLine = 4 << 10
	// secretsBlock is at most what a block adds to the secrets in it, in bytes.
	secretsBlock = 32
)

// A keyLog takes the lines of a key log.
type keyLog struct {
	capture *Capture
	line    []byte // what came of the one that is not complete, guarded by capture.mu
}

// Write takes lines. It never fails.
func (l *keyLog) Write(b []byte) (int, error) {
	c := l.capture
	c.mu.Lock()
	defer c.mu.Unlock()
	for rest := b; len(rest) > 0; {
		piece := rest
		end := bytes.IndexByte(rest, '\n')
		if end >= 0 {
			piece = rest[:end+1]
		}
		rest = rest[len(piece):]
		if len(l.line) <= maxLine {
			l.line = append(l.line, piece[:min(len(piece), maxLine+1)]...)
		}
		if end >= 0 {
			c.secret(l.line)
			l.line = l.line[:0]
		}
	}
	return len(b), nil
}

// secret takes a line, c.mu being held.
func (c *Capture) secret(line []byte) {
	if c.closed {
		return
	}
	if cost := len(line) + secretsBlock; len(line) <= maxLine && cost <= c.budget {
		c.budget -= cost
		c.secrets = append(c.secrets, line...)
		return
	}
	c.unlogged++
}
