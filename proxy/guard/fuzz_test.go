package guard

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"sstpwarden/inspect/httphead"
)

// A tape is a connection whose client has sent everything and stopped sending.
type tape struct {
	mu      sync.Mutex
	in      []byte
	cuts    []byte // how many bytes each Read gives, over and over; 0 for all
	reads   int
	past    bool // the read deadline
	closed  bool
	written bytes.Buffer
}

func (c *tape) Read(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed:
		return 0, net.ErrClosed
	case c.past:
		return 0, os.ErrDeadlineExceeded
	case len(c.in) == 0:
		return 0, io.EOF
	}
	n := len(p)
	if len(c.cuts) > 0 {
		if cut := int(c.cuts[c.reads%len(c.cuts)]); cut > 0 {
			n = min(n, cut)
		}
	}
	c.reads++
	n = copy(p[:n], c.in)
	c.in = c.in[n:]
	return n, nil
}

func (c *tape) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return 0, net.ErrClosed
	}
	return c.written.Write(p)
}

func (c *tape) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	return nil
}

func (c *tape) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return net.ErrClosed
	}
	c.past = !t.IsZero() && !time.Now().Before(t)
	return nil
}

func (c *tape) SetDeadline(t time.Time) error    { return c.SetReadDeadline(t) }
func (c *tape) SetWriteDeadline(time.Time) error { return nil }
func (c *tape) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (c *tape) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (c *tape) left() int                        { c.mu.Lock(); defer c.mu.Unlock(); return len(c.in) }
func (c *tape) String() string                   { return "tape" }

// reference reads the requests in b the simple way: all is there, and bodies are
// cut out with regular expressions. It gives those that should be served, as
// mirrored describes them, and the last byte that belongs to one of them or to
// a taken head.
func reference(b string) (requests []string, used int, taken bool) {
	for {
		head, n, err := httphead.ParseRequest([]byte(b[used:]))
		if err != nil || head.MustRefuse() != 0 {
			return requests, used, false
		}
		if head.Method == "CONNECT" || head.Method == "SSTP_DUPLEX_POST" {
			return requests, used + n, true
		}
		length, _, _ := head.Fields.ContentLength()
		if length > 1<<63-1 {
			return requests, used, false
		}
		body, m, ok := referenceBody(b[used+n:], head.Fields.Get("Transfer-Encoding") != "", length)
		if !ok {
			return append(requests, head.Method+" "+head.Target+" and no whole body"), used, false
		}
		used += n + m
		requests = append(requests, head.Method+" "+head.Target+" "+strconv.Quote(body))
	}
}

var (
	chunkLine   = regexp.MustCompile(`^([0-9a-fA-F]{1,16})([ \t]*|;[^\x00-\x08\x0a-\x1f\x7f]*)\r\n`)
	trailerLine = regexp.MustCompile("^[-!#$%&'*+.^_`|~0-9a-zA-Z]+:[^\\x00-\\x08\\x0a-\\x1f\\x7f]*\r\n")
	badTrailer  = regexp.MustCompile("(?i)^(content-length|transfer-encoding|host|trailer):")
)

func referenceBody(b string, chunked bool, length uint64) (body string, n int, ok bool) {
	if !chunked {
		if uint64(len(b)) < length {
			return "", 0, false
		}
		return b[:length], int(length), true
	}
	all := 0
	for {
		m := chunkLine.FindStringSubmatch(b[n:])
		if m == nil {
			return "", 0, false
		}
		ext := len(strings.TrimPrefix(m[2], ";"))
		if all += ext; ext > maxChunkExt || all > maxChunkExts {
			return "", 0, false
		}
		n += len(m[0])
		size, err := strconv.ParseInt(m[1], 16, 64)
		if err != nil || int64(len(b)-n) < size {
			return "", 0, false
		}
		if size == 0 {
			break
		}
		body += b[n : n+int(size)]
		n += int(size)
		if !strings.HasPrefix(b[n:], "\r\n") {
			return "", 0, false
		}
		n += 2
	}
	start := n
	for !strings.HasPrefix(b[n:], "\r\n") {
		line := trailerLine.FindString(b[n:])
		if line == "" || badTrailer.MatchString(line) {
			return "", 0, false
		}
		n += len(line)
	}
	if n+2-start > maxTrailer {
		return "", 0, false
	}
	return body, n + 2, true
}

// run serves in, cut as cuts says.
func run(t *testing.T, in string, cuts []byte) (seen []string, told string, taken *Taken, refused []string, last *http.Request, c *tape) {
	t.Helper()
	c = &tape{in: []byte(in), cuts: cuts}
	var wrote bytes.Buffer
	taken, err := Serve(t.Context(), c, Options{
		Handler: http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
			last = req
			body, err := io.ReadAll(req.Body)
			if err != nil {
				seen = append(seen, req.Method+" "+req.RequestURI+" and no whole body")
				return
			}
			seen = append(seen, req.Method+" "+req.RequestURI+" "+strconv.Quote(string(body)))
		}),
		Judge:   takeSSTP,
		Read:    func(b []byte) error { told += string(b); return nil },
		Written: func(b []byte) error { wrote.Write(b); return nil },
		Refused: func(_ *httphead.Request, status int, why string) {
			refused = append(refused, fmt.Sprint(status, " ", why))
		},
	})
	if err != nil {
		t.Errorf("error %v", err)
	}
	if wrote.String() != c.written.String() {
		t.Error("what was written is not what was told")
	}
	return seen, told, taken, refused, last, c
}

func FuzzServe(f *testing.F) {
	for _, tt := range conversations {
		f.Add([]byte(tt.in), []byte{0})
		f.Add([]byte(tt.in), []byte{1})
	}
	for _, tt := range smuggling {
		if len(tt.in) < 4<<10 {
			f.Add([]byte(getA+tt.in+getA), []byte{3, 7})
		}
	}
	f.Add([]byte(getA+"CONNECT h:443 HTTP/1.1\r\n\r\n\x16\x03\x01"), []byte{0})
	f.Add([]byte(getA+duplexPost+"\x10\x01\x00\x0e"), []byte{0})
	f.Fuzz(func(t *testing.T, b, cuts []byte) {
		in := string(b)
		want, used, take := reference(in)
		seen, told, taken, refused, last, c := run(t, in, cuts)

		if len(seen) > len(want) || !slices.Equal(seen, want[:len(seen)]) {
			t.Fatalf("seen %q\nwant %q", seen, want)
		}
		if !strings.HasPrefix(in, told) {
			t.Errorf("told %q of %q", told, in)
		}
		if taken != nil {
			if !take || len(seen) != len(want) {
				t.Errorf("taken after %q, want %q", seen, want)
			}
			if told != in[:used] || string(taken.Buffered) != in[used:len(in)-c.left()] {
				t.Errorf("told %q and left %q of %q", told, taken.Buffered, in)
			}
			return
		}
		// Fewer were seen, or none taken, only if there is a reason.
		if (len(seen) < len(want) || take) && len(refused) == 0 && (last == nil || !last.Close) {
			t.Errorf("seen %q, want %q, and nothing was refused", seen, want)
		}
		if len(seen) == len(want) && len(refused) == 0 && len(told) < used {
			t.Errorf("told %q, which lacks some of %q", told, in[:used])
		}
	})
}

// However the chunks are cut, their end is where net/http finds it.
func FuzzChunks(f *testing.F) {
	for _, s := range []string{
		"3\r\nabc\r\n0\r\n\r\n", "3;x=y\r\nabc\r\n0;z\r\nA: b\r\nC:\r\n\r\nrest", "0\r\n\r\n", "5 \t\r\nhello\r\n00\r\n\r\n",
		"7fffffffffffffff\r\n", "3\r\nabc0\r\n\r\n", "0\r\nHost: x\r\n\r\n",
	} {
		f.Add([]byte(s), uint8(0))
		f.Add([]byte(s), uint8(1))
	}
	f.Fuzz(func(t *testing.T, b []byte, cut uint8) {
		var whole, parts chunks
		n, done, err := whole.scan(b)
		if n > len(b) || done && err != nil {
			t.Fatalf("%d of %d bytes, done %v, %v", n, len(b), done, err)
		}
		pos, doneParts, errParts := 0, false, error(nil)
		for pos < len(b) && !doneParts && errParts == nil {
			end := len(b)
			if cut > 0 {
				end = min(end, pos+int(cut))
			}
			var m int
			m, doneParts, errParts = parts.scan(b[pos:end])
			pos += m
		}
		if pos != n || doneParts != done || !errors.Is(errParts, err) {
			t.Fatalf("in pieces of %d: %d, %v, %v; whole: %d, %v, %v", cut, pos, doneParts, errParts, n, done, err)
		}
		body, m, ok := referenceBody(string(b), true, 0)
		if done && (!ok || m != n) || ok && !done && err == nil {
			t.Fatalf("ends at %d, %v, %v; the reference says %d, %v", n, done, err, m, ok)
		}
		if !done {
			return
		}
		head := "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
		br := bufio.NewReader(strings.NewReader(head + string(b[:n]) + getA))
		req, err := http.ReadRequest(br)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(req.Body)
		if err != nil || string(got) != body {
			t.Fatalf("net/http reads %q, %v; want %q", got, err, body)
		}
		if next, err := http.ReadRequest(br); err != nil || next.URL.Path != "/a" {
			t.Fatalf("behind it net/http reads %v, %v", next, err)
		}
	})
}
