package carve

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"sstpwarden/pcaps/capfile"
)

const (
	// maxBuffered is the default of Options.MaxBuffered.
	maxBuffered = 16 << 20
	// writeAt is how much of one file waits to be written.
	writeAt = 128 << 10
)

// An output is the files that are being written. They grow in memory and are
// opened only to append what waits, so that there may be any number of them.
type output struct {
	dir      string
	partial  string // folder in dir, where they stand until they are complete
	source   string
	section  capfile.Section // but for the comment
	tunnels  []Tunnel
	files    []file
	buffered int // memory of all buffers
	max      int

	open func(path string, flag int, perm fs.FileMode) (*os.File, error)
	link func(from, to string) error
}

// newOutput makes the folders.
func newOutput(dir string, tunnels []Tunnel, o *Options) (*output, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the folder: %w; name one that can be written to", err)
	}
	partial, err := os.MkdirTemp(dir, ".partial-")
	if err != nil {
		return nil, fmt.Errorf("writing to %s: %w; name a folder that can be written to", dir, reason(err))
	}
	out := &output{
		dir: dir, partial: partial, source: o.Source, section: capfile.Section{Application: clean(o.Application)},
		tunnels: tunnels, files: make([]file, len(tunnels)), max: o.MaxBuffered,
		open: os.OpenFile, link: os.Link,
	}
	if out.max <= 0 {
		out.max = maxBuffered
	}
	return out, nil
}

// remove removes what is not complete.
func (o *output) remove() error {
	if err := os.RemoveAll(o.partial); err != nil {
		return fmt.Errorf("removing what is not complete: %w; remove %s, it holds packets", err, o.partial)
	}
	return nil
}

// path is where a tunnel's file will be.
func (o *output) path(i int) string {
	return filepath.Join(o.dir, o.tunnels[i].name(o.source))
}

// packet adds a packet to a tunnel's file.
func (o *output) packet(i int, p *seen) error {
	f := &o.files[i]
	had := cap(f.waiting)
	if f.w == nil {
		if err := f.begin(&o.tunnels[i], o.section); err != nil {
			return o.failed(i, err)
		}
	}
	if err := f.add(p.reader.Origin(), &p.Packet); err != nil {
		return o.failed(i, err)
	}
	f.packets++
	o.buffered += cap(f.waiting) - had
	switch {
	case o.buffered > o.max:
		return o.flush()
	case len(f.waiting) >= writeAt:
		return o.write(i)
	}
	return nil
}

// flush writes all that waits, and frees its memory.
func (o *output) flush() error {
	for i := range o.files {
		if len(o.files[i].waiting) > 0 {
			if err := o.write(i); err != nil {
				return err
			}
		}
		o.files[i].waiting = nil
	}
	o.buffered = 0
	return nil
}

// write appends what waits of a file.
func (o *output) write(i int) error {
	f := &o.files[i]
	flag := os.O_WRONLY | os.O_APPEND
	if !f.made {
		flag |= os.O_CREATE | os.O_EXCL
	}
	to, err := o.open(o.partialPath(i), flag, 0o600)
	if err != nil {
		return o.failed(i, err)
	}
	f.made = true
	_, err = to.Write(f.waiting)
	if bad := to.Close(); err == nil {
		err = bad
	}
	if err != nil {
		return o.failed(i, err)
	}
	f.waiting = f.waiting[:0]
	return nil
}

func (o *output) partialPath(i int) string { return filepath.Join(o.partial, strconv.Itoa(i)) }

// failed says which file could not be written.
func (o *output) failed(i int, err error) error {
	advice := "nothing of the capture was carved"
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		advice += ": make room, or name a folder elsewhere"
	}
	return fmt.Errorf("writing %s: %w; %s", o.path(i), reason(err), advice)
}

// A file is being written.
type file struct {
	w          *capfile.Writer
	waiting    []byte
	made       bool
	packets    uint64
	interfaces []origin // of the section, by their number in it
}

// An origin is an interface of the capture.
type origin struct {
	capfile.Interface
	id uint32
}

// manyInterfaces is when another section begins, so that a search among a
// file's interfaces stays short.
const manyInterfaces = 64

// Write takes what the Writer writes.
func (f *file) Write(b []byte) (int, error) {
	f.waiting = append(f.waiting, b...)
	return len(b), nil
}

// begin writes what stands in front.
func (f *file) begin(t *Tunnel, s capfile.Section) (err error) {
	s.Comment = clean(t.Comment)
	if f.w, err = capfile.NewWriter(f, s); err != nil || len(t.Secrets) == 0 {
		return err
	}
	return f.w.Secrets(capfile.SecretsTLSKeyLog, t.Secrets)
}

// add writes a packet as it stands in the capture. One without a time stamp
// can only be of a section's first interface.
func (f *file) add(o capfile.Origin, p *capfile.Packet) error {
	from := origin{o.Interface, o.ID}
	id := 0
	for id < len(f.interfaces) && f.interfaces[id] != from {
		id++
	}
	if id == manyInterfaces || id > 0 && !o.Timed {
		if err := f.w.Section(capfile.Section{}); err != nil {
			return err
		}
		f.interfaces, id = f.interfaces[:0], 0
	}
	if id == len(f.interfaces) {
		if _, err := f.w.Interface(o.Interface); err != nil {
			return err
		}
		f.interfaces = append(f.interfaces, from)
	}
	if !o.Timed {
		return f.w.SimplePacket(p.Data, p.Length)
	}
	return f.w.Packet(uint32(id), o.Stamp, p.Data, p.Length)
}
