package weigh

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"sstpwarden/inspect"
	"sstpwarden/inspect/tcpflow"
	"sstpwarden/inspect/tlskeys"
	"sstpwarden/pcaps/capfile"
)

// A Source is a folder of captures.
type Source struct {
	Name string // by which results call it
	Dir  string
	// Label says what the captures are; LabelFolders that those below folders
	// named positive and negative are what these say.
	Label Label
}

// Label is what is known of captures.
type Label uint8

// The labels.
const (
	LabelFolders Label = iota
	LabelPositive
	LabelNegative
)

// A Reader reads captures into a tally.
type Reader struct {
	Rules *inspect.Ruleset
	Tally *Tally
	// Warn is told what could not be read; the rest of it was.
	Warn func(error)

	seen map[[sha256.Size]byte]bool
}

// Read counts the connections of a folder's captures. The error is that of a
// folder that cannot be read, or the context's.
func (r *Reader) Read(ctx context.Context, s Source) (Corpus, error) {
	out := Corpus{Name: s.Name}
	labels := readLabels(s.Dir)
	err := filepath.WalkDir(s.Dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || ctx.Err() != nil {
			return errors.Join(err, ctx.Err())
		}
		positive := s.Label == LabelPositive
		if s.Label == LabelFolders {
			switch filepath.Base(filepath.Dir(path)) {
			case "positive":
				positive = true
			case "negative":
			default:
				return nil
			}
		}
		if strings.Contains(filepath.Base(path), ".pcap") || strings.HasSuffix(path, ".cap") {
			r.file(&out, path, positive, labels)
		}
		return nil
	})
	switch {
	case err != nil:
		return out, fmt.Errorf("reading the corpus %s: %w", s.Name, err)
	case out.Captures+out.Repeated == 0:
		return out, fmt.Errorf("reading the corpus %s: no capture is in it; captures are looked for below folders named positive and negative, or in one whose captures are all of one kind", s.Name)
	}
	return out, nil
}

// label names the programs of a capture.
type label struct {
	Client string `json:"client"`
	Server string `json:"server"`
}

// readLabels reads labels.json, where there is one.
func readLabels(dir string) map[string]label {
	var out map[string]label
	text, err := os.ReadFile(filepath.Join(dir, "labels.json"))
	if err != nil || json.Unmarshal(text, &out) != nil {
		return nil
	}
	return out
}

// programs names those of a capture: by the corpus's labels, or by a file beside
// it; "" where nobody tells.
func programs(path string, labels map[string]label) string {
	stem, _, _ := strings.Cut(filepath.Base(path), ".pcap")
	l, ok := labels[stem]
	if !ok {
		text, err := os.ReadFile(filepath.Join(filepath.Dir(path), stem+".json"))
		if err != nil || json.Unmarshal(text, &l) != nil {
			return ""
		}
	}
	if l.Client == "" && l.Server == "" {
		return ""
	}
	return l.Client + ", " + l.Server
}

func (r *Reader) file(c *Corpus, path string, positive bool, labels map[string]label) {
	raw, err := os.ReadFile(path)
	if err != nil {
		r.Warn(err)
		return
	}
	if r.seen == nil {
		r.seen = map[[sha256.Size]byte]bool{}
	}
	sum := sha256.Sum256(raw)
	if r.seen[sum] {
		c.Repeated++
		return
	}
	conns, err := r.capture(path)
	if errors.Is(err, capfile.ErrFormat) && len(conns) == 0 {
		return // it only has such a name
	}
	r.seen[sum] = true
	if err != nil {
		r.Warn(err)
	}
	c.Captures++
	kind := programs(path, labels)
	for _, conn := range conns {
		conn.Kind = kind
		if kind == "" {
			conn.Kind = fmt.Sprintf("%x", sum)
			if o := conn.Closed.Observation(); o.TLS != nil {
				conn.Kind += " " + o.TLS.JA4
			}
		}
		conn.SSTP = positive
		// Beside SSTP a capture may have other connections. One that cannot be
		// opened is SSTP where it is alone.
		if positive && !spoken(conn.Opened.Observation()) && len(conns) > 1 {
			c.LeftOut++
			continue
		}
		if positive {
			c.Positives++
		} else {
			c.Negatives++
		}
		r.Tally.Add(conn)
	}
}

// A pair inspects a connection twice, with secrets and without.
type pair struct{ closed, opened *inspect.Flow }

// Feed takes bytes for both.
func (p *pair) Feed(s inspect.Segment) bool {
	changed := p.closed.Feed(s)
	if p.opened != p.closed {
		changed = p.opened.Feed(s) || changed
	}
	return changed
}

// Settled says that neither wants more.
func (p *pair) Settled() bool { return p.closed.Settled() && p.opened.Settled() }

// capture reads one, with the secrets in it and those in a key log beside it.
func (r *Reader) capture(path string) (conns []*Connection, err error) {
	stem, _, _ := strings.Cut(path, ".pcap")
	var keys *tlskeys.Keys
	learn := func(text []byte) {
		if keys == nil {
			keys = &tlskeys.Keys{}
		}
		if _, err := keys.AddKeyLog(bytes.NewReader(text)); err != nil {
			r.Warn(fmt.Errorf("%s: secrets: %w", path, err))
		}
	}
	if text, err := os.ReadFile(stem + ".keys"); err == nil {
		learn(text)
	}
	in, err := capfile.Open(path, capfile.Options{OnSecrets: func(kind uint32, data []byte) {
		if kind == capfile.SecretsTLSKeyLog {
			learn(data)
		}
	}})
	if err != nil {
		return nil, err
	}
	defer func() { _ = in.Close() }() // it was only read
	table := tcpflow.New(tcpflow.Config{
		Open: func(c *tcpflow.Conn) tcpflow.Stream { return r.open(c.Key(), c.Start(), c.Midstream(), keys) },
		Closed: func(c *tcpflow.Conn) {
			if p, ok := c.Stream().(*pair); ok && p.closed.Observation().Seen != [2]bool{} {
				conns = append(conns, &Connection{Lasted: c.Last().Sub(c.Start()), Closed: p.closed, Opened: p.opened})
			}
		},
	})
	for {
		p, nextErr := in.Next()
		if nextErr != nil {
			if !errors.Is(nextErr, io.EOF) {
				err = nextErr
			}
			break
		}
		table.Packet(tcpflow.LinkType(p.Link), p.Time, p.Data, p.Length)
	}
	table.Flush()
	return conns, err
}
