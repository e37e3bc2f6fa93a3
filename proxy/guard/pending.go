package guard

import "sync"

// pendingLen is the size of the buffers that are pooled: what most heads fit in.
const pendingLen = 4 << 10

var pendingPool = sync.Pool{New: func() any { return new([pendingLen]byte) }}

// pending is what was received and not delivered yet. It holds no memory while
// it is empty.
type pending struct {
	b      []byte
	pooled *[pendingLen]byte // where b began, or nil
}

// add appends a copy of b.
func (p *pending) add(b []byte) {
	if len(b) == 0 {
		return
	}
	if p.b == nil {
		p.pooled = pendingPool.Get().(*[pendingLen]byte)
		p.b = p.pooled[:0]
	}
	p.b = append(p.b, b...)
}

// space is where more can be read to in place, to be added with grow. There is
// none unless something is pending.
func (p *pending) space() []byte { return p.b[len(p.b):min(cap(p.b), pendingLen)] }

func (p *pending) grow(n int) { p.b = p.b[:len(p.b)+n] }

// drop takes the first n bytes away.
func (p *pending) drop(n int) {
	p.b = p.b[n:]
	if len(p.b) > 0 {
		return
	}
	if p.pooled != nil {
		pendingPool.Put(p.pooled)
	}
	*p = pending{}
}

// blank reports whether nothing but line ends is pending, which some clients send
// behind a body.
func (p *pending) blank() bool {
	for _, c := range p.b {
		if c != '\r' && c != '\n' {
			return false
		}
	}
	return true
}

// take moves the first bytes to b.
func (p *pending) take(b []byte) int {
	n := copy(b, p.b)
	if n > 0 {
		p.drop(n)
	}
	return n
}
