package inspect

// chunks parts the data of a chunked body from what is around it (RFC 9112,
// Section 7.1).
type chunks struct {
	state  chunkState
	left   uint64 // of the chunk's data
	digits bool   // the size has one
	empty  bool   // the trailer line is empty so far
	looked bool   // what the data begins with is known
	broken bool   // these are no chunks
}

type chunkState uint8

const (
	chunkSize chunkState = iota
	chunkExtension
	chunkData
	chunkEnd // the line end behind the data
	chunkTrailer
)

// next gives the next data in b, without copying it, how many bytes of b it ends
// behind, and whether the body ended there.
func (c *chunks) next(b []byte) (data []byte, n int, done bool) {
	for n < len(b) {
		if c.state == chunkData {
			k := int(min(c.left, uint64(len(b)-n)))
			if c.left -= uint64(k); c.left == 0 {
				c.state = chunkEnd
			}
			return b[n : n+k], n + k, false
		}
		n++
		if c.step(b[n-1]) {
			return nil, n, true
		}
	}
	return nil, n, false
}

// step takes one byte outside a chunk's data and says whether the body ended.
func (c *chunks) step(b byte) (done bool) {
	switch c.state {
	case chunkSize:
		if d, ok := hexDigit(b); ok && c.left < 1<<59 {
			c.left, c.digits = c.left<<4|d, true
			return false
		}
		c.broken = c.broken || !c.digits
		c.state = chunkExtension
		fallthrough
	case chunkExtension:
		if b != '\n' {
			return false
		}
		if c.left == 0 {
			c.state, c.empty = chunkTrailer, true
		} else {
			c.state = chunkData
		}
	case chunkEnd:
		c.broken = c.broken || b != '\r' && b != '\n'
		if b == '\n' {
			c.state, c.digits = chunkSize, false
		}
	case chunkTrailer:
		switch b {
		case '\n':
			if c.empty {
				return true
			}
			c.empty = true
		case '\r':
		default:
			c.empty = false
		}
	case chunkData: // next gives it
	}
	return false
}

func hexDigit(b byte) (uint64, bool) {
	switch {
	case '0' <= b && b <= '9':
		return uint64(b - '0'), true
	case 'a' <= b|0x20 && b|0x20 <= 'f':
		return uint64(b|0x20-'a') + 10, true
	}
	return 0, false
}
