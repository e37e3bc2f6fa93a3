package interop

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"sstpwarden/pcaps/netlab"
	"sstpwarden/pcaps/netlab/labtest"
)

// impatient is a configuration in which nothing may take long, and the log tells of
// ordinary ends, too.
const impatient = `
log: {level: debug}
proxy:
  timeouts: {head: 1s, keep: 2s, hello: 1s, dial: 2s, handshake: 2s, idle: 4s, stall: 2s}
`

// Whatever clients and servers do, each gets an end in time, the log says why, and
// another client's requests all succeed meanwhile.
func TestHostile(t *testing.T) {
	t.Parallel()
	for _, group := range []struct {
		name  string
		cases map[string]func(*hostile)
	}{
		{"slow", map[string]func(*hostile){
			"head_byte_by_byte":       (*hostile).slowHead,
			"tunnel_that_is_not_read": (*hostile).neverReadsTunnel,
			"answer_that_is_not_read": (*hostile).neverReadsAnswer,
			"idle_connections":        (*hostile).silent,
		}},
		{"many", map[string]func(*hostile){
			"handshakes_half_open": (*hostile).halfOpen,
			"head_of_64_KiB":       (*hostile).longHead, // not beside smuggling: a cause has so many lines in the log
		}},
		{"wrong", map[string]func(*hostile){
			"server_resets": (*hostile).resets,
			"smuggling":     (*hostile).smuggles,
		}},
	} {
		t.Run(group.name, func(t *testing.T) {
			t.Parallel()
			h := newHostile(t)
			others := h.bystander()
			// All at once, and at once: t.Parallel would have them wait for other tests.
			var cases sync.WaitGroup
			for name, do := range group.cases {
				cases.Go(func() { t.Run(name, func(t *testing.T) { do(h.in(t)) }) })
			}
			cases.Wait()
			for _, tr := range others {
				tr.checkAll()
			}
		})
	}
}

func newHostile(t *testing.T) *hostile {
	t.Helper()
	l := newLab(t, "curl")
	h := &hostile{lab: l, web: l.web()}
	h.warden = l.warden(append(append(transparent("tproxy"), explicit()...), "--config", l.File("impatient.yaml", impatient))...)
	l.talker(binaryPort, talkBinary)
	l.talker(resetPort, talkReset)
	return h
}

// in is h for a test within the test.
func (h *hostile) in(t *testing.T) *hostile {
	l := &lab{h.In(t)}
	return &hostile{lab: l, warden: &warden{h.warden.In(t), l}, web: h.web}
}

type hostile struct {
	*lab
	warden *warden
	web    *web
}

// bystander makes requests from another address, both ways.
func (h *hostile) bystander() []*traffic {
	urls := []string{"http://" + netlab.Server4, "https://" + netlab.Server4, "https://" + netlab.Server4 + ":8443"}
	return []*traffic{
		h.load(netlab.Client4b, nil, urls...),
		h.load(netlab.Client4b, &url.URL{Scheme: "http", Host: proxy4}, urls...),
	}
}

// endOf reads until the connection ends, which it must.
func endOf(t *testing.T, conn net.Conn) string {
	t.Helper()
	_ = conn.SetDeadline(time.Now().Add(labtest.Patience))
	b, err := io.ReadAll(io.LimitReader(conn, 1<<20))
	var e net.Error
	if errors.As(err, &e) && e.Timeout() {
		t.Errorf("the connection does not end; it said %q", b)
	}
	return string(b)
}

// slowHead sends a byte, and another every now and then.
func (h *hostile) slowHead() {
	t := h.T
	before := h.warden.metric(`timeouts_total{kind="slow"}`)
	conns := []*net.TCPConn{h.connect(proxy4), h.connect(proxy4)}
	go func() {
		for _, b := range []byte("GET http://web.example/small/1 HTTP/1.1\r\nHost: web.example\r\nX: " + strings.Repeat("x", 1000)) {
			if _, err := conns[0].Write([]byte{b}); err != nil {
				return
			}
			time.Sleep(50 * time.Millisecond)
		}
	}()
	_, _ = conns[1].Write([]byte("C"))
	for _, conn := range conns {
		endOf(t, conn)
	}
	if n := h.warden.metric(`timeouts_total{kind="slow"}`) - before; n < 2 {
		t.Errorf("%v connections were too slow", n)
	}
	h.logged(conns...)
}

const endlessRequest = "GET /endless HTTP/1.1\r\nHost: " + labtest.WebName + "\r\n\r\n"

// neverReadsTunnel asks for more than sockets hold, and takes none of it.
func (h *hostile) neverReadsTunnel() {
	t := h.T
	through := h.connect(proxy4)
	if err := connectVia(through, netlab.Server4+":80"); err != nil {
		t.Fatal(err)
	}
	conns := []*net.TCPConn{through, h.connect(netlab.Server4 + ":80")}
	for _, conn := range conns {
		if _, err := io.WriteString(conn, endlessRequest); err != nil {
			t.Fatal(err)
		}
	}
	h.logged(conns...)
	if h.warden.metric(`timeouts_total{kind="stalled"}`) < 2 {
		t.Error("no two connections were stalled")
	}
}

// neverReadsAnswer does so with an ordinary request.
func (h *hostile) neverReadsAnswer() {
	t := h.T
	conn := h.connect(proxy4)
	if _, err := io.WriteString(conn, strings.Replace(endlessRequest, "/endless", "http://"+labtest.WebName+"/endless", 1)); err != nil {
		t.Fatal(err)
	}
	h.logged(conn)
}

// halfOpen makes many handshakes that do not go on.
func (h *hostile) halfOpen() {
	t := h.T
	const many = 250 // each way
	hello := clientHello()
	for i := range many {
		for _, address := range []string{proxy4, netlab.Server4 + ":443"} {
			conn := h.connect(address)
			if address == proxy4 {
				if err := connectVia(conn, netlab.Server4+":443"); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := conn.Write(hello[:(i+1)%len(hello)]); err != nil {
				t.Fatal(err)
			}
		}
	}
	h.Eventually("half-open handshakes are ended", func() bool { return h.warden.metric("tunnels") < 50 })
	if n := h.warden.metric(`timeouts_total{kind="idle"}`); n < many {
		t.Errorf("%v connections were idle", n)
	}
	// The log tells of some, and does not become a flood itself.
	h.Eventually("the log tells of some", func() bool { return strings.Contains(h.warden.Text(), " end=idle ") })
	if n := strings.Count(h.warden.Text(), " end=idle "); n > many {
		t.Errorf("of %d half-open handshakes the log has %d", 2*many, n)
	}
}

// logged checks that the log tells of the ends of all these.
func (h *hostile) logged(conns ...*net.TCPConn) {
	h.T.Helper()
	h.Eventually("the log tells of all", func() bool {
		text := h.warden.Text()
		return !slices.ContainsFunc(conns, func(c *net.TCPConn) bool { return !strings.Contains(text, "client="+c.LocalAddr().String()+" ") })
	})
}

// clientHello is one of Go's.
func clientHello() []byte {
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	go func() { _ = tls.Client(a, &tls.Config{ServerName: labtest.WebName}).Handshake() }()
	hello := make([]byte, 4096)
	n, _ := b.Read(hello) // it is written at once
	return hello[:n]
}

// silent connects and says nothing, also after a request.
func (h *hostile) silent() {
	t := h.T
	first, conn := h.connect(proxy4), h.connect(proxy4)
	if status, _, err := ask(conn, "GET http://"+labtest.WebName+"/small/1 HTTP/1.1\r\nHost: "+labtest.WebName+"\r\n\r\n"); err != nil || status != http.StatusOK {
		t.Errorf("answered %d, %v", status, err)
	}
	endOf(t, first)
	endOf(t, conn)
	h.logged(first, conn)
}

func (h *hostile) longHead() {
	t := h.T
	value := h.File("long-header", "X-Long: "+strings.Repeat("x", 64<<10)+"\n")
	for _, args := range [][]string{
		{"--header", "@" + value, "http://" + labtest.WebName + "/small/1"},
		{"--proxytunnel", "--proxy-header", "@" + value, "http://" + labtest.WebName + "/small/1"},
	} {
		stdout, stderr, _ := h.Try(h.Client, append([]string{
			"curl", "--silent", "--show-error", "--max-time", "30", "--proxy", "http://" + proxy4,
			"--write-out", "%{http_code} %{http_connect}", "--output", "/dev/null",
		}, args...)...)
		if !strings.Contains(stdout, "431") {
			t.Errorf("curl says %s, %s", stdout, stderr)
		}
	}
	h.warden.WaitFor("status=431")
	if n := h.warden.metric(`refused_total{cause="head"}`); n < 2 {
		t.Errorf("%v heads were refused", n)
	}
}

// resetPort is of a server that resets connections.
const resetPort = "778"

// talkReset answers half of what it says it will.
func talkReset(conn *net.TCPConn) error {
	b := make([]byte, 4096)
	_, _ = conn.Read(b)
	_, err := io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nhalf")
	time.Sleep(50 * time.Millisecond) // a reset overtakes what is on its way
	_ = conn.SetLinger(0)
	return err
}

func (h *hostile) resets() {
	t := h.T
	address := netlab.Server4 + ":" + resetPort
	for name, request := range map[string]string{
		"plain":  "GET http://" + address + "/ HTTP/1.1\r\nHost: " + address + "\r\n\r\n",
		"tunnel": "",
	} {
		conn := h.connect(proxy4)
		if request == "" {
			if err := connectVia(conn, address); err != nil {
				t.Fatal(err)
			}
			request = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
		}
		if _, err := io.WriteString(conn, request); err != nil {
			t.Fatal(err)
		}
		if got := endOf(t, conn); !strings.HasSuffix(got, "half") || !strings.Contains(got, "Content-Length: 100000") {
			t.Errorf("%s: the client got %q", name, got)
		}
		h.logged(conn)
	}
	conn := h.connect(address)
	_, _ = io.WriteString(conn, "hello")
	if got := endOf(t, conn); !strings.HasSuffix(got, "half") {
		t.Errorf("transparent: the client got %q", got)
	}
	h.logged(conn)
	// A port that nobody listens on.
	if status, _, err := ask(h.connect(proxy4), "GET http://"+netlab.Server4+":9/ HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil || status != http.StatusBadGateway {
		t.Errorf("nobody listens, and the answer is %d, %v", status, err)
	}
	if status, _, err := ask(h.connect(proxy4), "CONNECT "+netlab.Server4+":9 HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil || status != http.StatusBadGateway {
		t.Errorf("nobody listens, and the answer is %d, %v", status, err)
	}
	if conn, err := h.dial(netlab.Server4 + ":9"); err == nil { // or the reset came sooner
		if got := endOf(t, conn); got != "" {
			t.Errorf("nobody listens, and the answer is %q", got)
		}
		_ = conn.Close()
	}
}

// smuggles sends heads that two readers may read differently.
func (h *hostile) smuggles() {
	t := h.T
	const victim = "GET http://" + labtest.WebName + "/whoami HTTP/1.1\r\nHost: " + labtest.WebName + "\r\n\r\n"
	for name, head := range map[string]string{
		"two lengths":            "POST http://web.example/sum HTTP/1.1\r\nHost: web.example\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
		"a list of lengths":      "POST http://web.example/sum HTTP/1.1\r\nHost: web.example\r\nContent-Length: 5, 6\r\n\r\nhello",
		"length and chunked":     "POST http://web.example/sum HTTP/1.1\r\nHost: web.example\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + victim,
		"chunked twice":          "POST http://web.example/sum HTTP/1.1\r\nHost: web.example\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
		"unknown coding":         "POST http://web.example/sum HTTP/1.1\r\nHost: web.example\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
		"space before the colon": "POST http://web.example/sum HTTP/1.1\r\nHost: web.example\r\nContent-Length : 5\r\n\r\nhello",
		"folded line":            "GET http://web.example/small/1 HTTP/1.1\r\nHost: web.example\r\nX: a\r\n b\r\n\r\n",
		"bare CR":                "GET http://web.example/small/1 HTTP/1.1\r\nHost: web.example\r\nX: a\rY: b\r\n\r\n",
		"NUL":                    "GET http://web.example/small/1 HTTP/1.1\r\nHost: web.example\r\nX: a\x00b\r\n\r\n",
		"negative length":        "POST http://web.example/sum HTTP/1.1\r\nHost: web.example\r\nContent-Length: -5\r\n\r\nhello",
		"length with a sign":     "POST http://web.example/sum HTTP/1.1\r\nHost: web.example\r\nContent-Length: +5\r\n\r\nhello",
		"two hosts":              "GET http://web.example/small/1 HTTP/1.1\r\nHost: web.example\r\nHost: other.example\r\n\r\n",
		"CONNECT with NUL":       "CONNECT web.example:80 HTTP/1.1\r\nHost: web\x00.example\r\n\r\n",
		"CONNECT bare CR":        "CONNECT web.example:80 HTTP/1.1\r\nHost: a\rb\r\n\r\n",
	} {
		conn := h.connect(proxy4)
		if _, err := io.WriteString(conn, head); err != nil {
			t.Fatal(err)
		}
		got := endOf(t, conn)
		if !strings.HasPrefix(got, "HTTP/1.1 400 ") || strings.Count(got, "HTTP/1.1 ") != 1 {
			t.Errorf("%s: answered %q", name, got)
		}
	}
	h.warden.WaitFor("status=400")
	if n := h.warden.metric(`refused_total{cause="head"}`); n < 14 {
		t.Errorf("%v heads were refused", n)
	}
}

// A client has so many connections and no more; another has its own.
func TestLimits(t *testing.T) {
	t.Parallel()
	l := newLab(t, "curl")
	config := l.File("limits.yaml", "proxy:\n  limits: {per_client: 5, connections: 8}\n")
	w := l.warden(append(explicit(), "--config", config)...)
	l.plainWeb()
	curl := func(address string) (string, error) {
		stdout, _, err := l.Try(l.Client, "curl", "--silent", "--fail", "--max-time", "30", "--interface", address, "--proxy", "http://"+proxy4, "http://"+labtest.WebName+"/small/10")
		return stdout, err
	}
	var held []net.Conn
	for range 5 {
		conn := l.connect(proxy4)
		if err := connectVia(conn, netlab.Server4+":80"); err != nil {
			t.Fatal(err)
		}
		held = append(held, conn)
	}
	if got := endOf(t, l.connect(proxy4)); got != "" {
		t.Errorf("the sixth connection was told %q", got)
	}
	if _, err := curl(netlab.Client4); err == nil {
		t.Error("the client has more connections than it may have")
	}
	if got, err := curl(netlab.Client4b); err != nil || len(got) != 10 {
		t.Errorf("another client: %v, %q", err, got)
	}
	_ = held[0].Close()
	l.Eventually("there is room again", func() bool { return w.metric("connections") < 5 })
	if got, err := curl(netlab.Client4); err != nil || len(got) != 10 {
		t.Errorf("once there is room: %v, %q", err, got)
	}
	w.WaitFor("as many connections as one client may have: 5")
	if n := w.metric(`refused_total{cause="limit"}`); n != 2 {
		t.Errorf("%v connections were refused", n)
	}
}
