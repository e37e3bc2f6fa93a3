package inspect

// chunks passes over a chunked body (RFC 9112, Section 7.1).
type chunks struct {
	state chunkState
	left  uint64 // of the chunk's data
	empty bool   // the trailer line is empty so far
}

type chunkState uint8

const (
	chunkSize chunkState = iota
	chunkExtension
	chunkData
	chunkEnd // the line end behind the data
	chunkTrailer
)

// skip gives how many bytes of b belong to the body, and whether it ended.
func (c *chunks) skip(b []byte) (n int, done bool) {
	for n < len(b) {
		if c.state == chunkData {
			k := min(c.left, uint64(len(b)-n))
			n += int(k)
			if c.left -= k; c.left == 0 {
				c.state = chunkEnd
			}
			continue
		}
		if c.step(b[n]) {
			return n + 1, true
		}
		n++
	}
	return n, false
}

// step takes one byte outside a chunk's data and says whether the body ended.
func (c *chunks) step(b byte) (done bool) {
	switch c.state {
	case chunkSize:
		if d, ok := hexDigit(b); ok && c.left < 1<<59 {
			c.left = c.left<<4 | d
			return false
		}
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
		if b == '\n' {
			c.state = chunkSize
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
	case chunkData: // skip passes over it
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
