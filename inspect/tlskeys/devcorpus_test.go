package tlskeys

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"

	"sstpwarden/inspect/tlswire"
)

type devDir struct {
	next uint32
	init bool
	held map[uint32][]byte
	s    tlswire.Stream
	pre  []byte
	tls  bool
}
type devConn struct {
	o       *Opener
	d       map[string]*devDir
	client  string
	recs, opened, errs int
	plain   map[bool]*bytes.Buffer
	errlist []string
	name    string
}

func devRun(t *testing.T, pcap string, k *Keys) []*devConn {
	f, err := os.Open(pcap)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var r interface {
		ReadPacketData() ([]byte, gopacket.CaptureInfo, error)
		LinkType() layers.LinkType
	}
	r, err = pcapgo.NewReader(f)
	if err != nil {
		f.Seek(0, 0)
		r, err = pcapgo.NewNgReader(f, pcapgo.DefaultNgReaderOptions)
		if err != nil {
			t.Fatal(err)
		}
	}
	conns := map[string]*devConn{}
	var order []*devConn
	for {
		data, _, err := r.ReadPacketData()
		if err == io.EOF {
			break
		}
		if err != nil {
			break
		}
		p := gopacket.NewPacket(data, r.LinkType(), gopacket.Default)
		tl := p.Layer(layers.LayerTypeTCP)
		if tl == nil {
			continue
		}
		tcp := tl.(*layers.TCP)
		nf := p.NetworkLayer().NetworkFlow()
		a := fmt.Sprintf("%v:%d", nf.Src(), tcp.SrcPort)
		b := fmt.Sprintf("%v:%d", nf.Dst(), tcp.DstPort)
		key := a + "-" + b
		if b < a {
			key = b + "-" + a
		}
		c := conns[key]
		if c == nil || tcp.SYN && !tcp.ACK {
			c = &devConn{o: k.NewOpener(), d: map[string]*devDir{}, plain: map[bool]*bytes.Buffer{false: {}, true: {}}, name: key}
			c.client = a
			if tcp.SYN && tcp.ACK || tcp.SrcPort < tcp.DstPort && !tcp.SYN {
				c.client = b
			}
			conns[key] = c
			order = append(order, c)
		}
		d := c.d[a]
		if d == nil {
			d = &devDir{held: map[uint32][]byte{}}
			d.s.KeepApplicationData = true
			c.d[a] = d
		}
		if tcp.SYN {
			d.next = tcp.Seq + 1
			d.init = true
			continue
		}
		pl := p.TransportLayer().LayerPayload()
		if ip, ok := p.NetworkLayer().(*layers.IPv4); ok {
			n := int(ip.Length) - int(ip.IHL)*4 - int(tcp.DataOffset)*4
			if n >= 0 && n < len(pl) {
				pl = pl[:n]
			}
		}
		if len(pl) == 0 {
			continue
		}
		if !d.init {
			d.next = tcp.Seq
			d.init = true
			d.s.Resync()
			d.tls = true
		}
		seg := bytes.Clone(pl)
		seq := tcp.Seq
		if int32(seq-d.next) < 0 {
			cut := d.next - seq
			if int(cut) >= len(seg) {
				continue
			}
			seg, seq = seg[cut:], d.next
		}
		if len(d.held[seq]) < len(seg) {
			d.held[seq] = seg
		}
		for progress := true; progress; {
			progress = false
			for sq, sg := range d.held {
				if int32(sq-d.next) <= 0 {
					delete(d.held, sq)
					cut := d.next - sq
					if int(cut) < len(sg) {
						sg = sg[cut:]
						d.next += uint32(len(sg))
						c.feed(d, a == c.client, sg)
						progress = true
					}
				}
			}
		}
	}
	return order
}

func (c *devConn) feed(d *devDir, client bool, b []byte) {
	if !d.tls {
		d.pre = append(d.pre, b...)
		// proxy: skip CONNECT head
		if bytes.HasPrefix(d.pre, []byte("CONNECT")) || bytes.HasPrefix(d.pre, []byte("HTTP/1")) {
			i := bytes.Index(d.pre, []byte("\r\n\r\n"))
			if i < 0 {
				return
			}
			b = d.pre[i+4:]
			if bytes.HasPrefix(d.pre, []byte("HTTP/1.1 407")) || bytes.HasPrefix(d.pre, []byte("HTTP/1.0 407")) {
				return
			}
		}
		d.tls = true
		if len(b) == 0 {
			return
		}
	}
	d.s.Feed(b, 0, func(r tlswire.Record) {
		c.recs++
		enc := r.Type == tlswire.ContentApplicationData
		before := c.o.half(client).sealed
		orig := bytes.Clone(r.Fragment)
		typ, plain, err := c.o.Open(client, r)
		if !bytes.Equal(orig, r.Fragment) {
			panic("overwrote")
		}
		if err != nil {
			c.errs++
			if len(c.errlist) < 5 {
				c.errlist = append(c.errlist, err.Error())
			}
			return
		}
		if enc || before {
			c.opened++
		}
		if typ == tlswire.ContentApplicationData {
			c.plain[client].Write(plain)
		}
	})
}

func TestDevCorpus(t *testing.T) {
	root := os.Getenv("CORPUS")
	files, _ := filepath.Glob(root + "/*/*.pcap")
	for _, f := range files {
		k := new(Keys)
		kf, err := os.Open(strings.TrimSuffix(f, ".pcap") + ".keys")
		if err == nil {
			if _, err := k.AddKeyLog(kf); err != nil {
				t.Errorf("%s: %v", f, err)
			}
			kf.Close()
		}
		if b, err := os.ReadFile(strings.TrimSuffix(f, ".pcap") + ".rsa.key"); err == nil {
			if err := k.AddRSAKey(b); err != nil {
				t.Error(err)
			}
		}
		for _, c := range devRun(t, f, k) {
			if c.recs == 0 {
				continue
			}
			status := "OK  "
			if c.errs > 0 {
				status = "ERR "
			}
			fmt.Printf("%s %-50s %-45s recs %d opened %d errs %d c %d s %d reason %q %q\n", status, filepath.Base(f), c.name, c.recs, c.opened, c.errs, c.plain[true].Len(), c.plain[false].Len(), c.o.Reason(), c.errlist)
			if w := os.Getenv("DEVOUT"); w != "" {
				n := filepath.Base(f) + "." + strings.ReplaceAll(c.name, ":", "_")
				os.WriteFile(filepath.Join(w, n+".c"), c.plain[true].Bytes(), 0o644)
				os.WriteFile(filepath.Join(w, n+".s"), c.plain[false].Bytes(), 0o644)
			}
		}
	}
}
