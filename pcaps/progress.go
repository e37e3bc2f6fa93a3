package pcaps

import (
	"sync/atomic"

	"sstpwarden/pcaps/capfile"
)

// Progress tells how far an audit is. It may be read at any time; the nil
// Progress is kept by nobody.
type Progress struct {
	Bytes          atomic.Int64 // read of the files, as they are stored
	Packets, Flows atomic.Uint64
}

// mark is what of a job was already added to the Progress.
type mark struct {
	bytes          int64
	packets, flows uint64
}

func (p *Progress) update(j *job, r *capfile.Reader) {
	if p == nil {
		return
	}
	now := mark{bytes: r.BytesRead(), packets: j.packets, flows: j.flows}
	p.Bytes.Add(now.bytes - j.told.bytes)
	p.Packets.Add(now.packets - j.told.packets)
	p.Flows.Add(now.flows - j.told.flows)
	j.told = now
}
