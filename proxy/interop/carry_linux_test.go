package interop

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"sstpwarden/pcaps/netlab/labtest"
)

// What clients and servers do with each other comes through as it is, whatever the
// way, and whatever IP.
func TestCarry(t *testing.T) {
	t.Parallel()
	for _, w := range ways {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			p := w.passage(t, "curl", "wget")
			c := &carry{passage: p, web: p.web(), files: map[int]string{bulk: p.noiseFile(bulk), some: p.noiseFile(some)}}
			c.talkers()
			for name, f := range families {
				c.f = f
				for _, x := range exchanges {
					t.Run(name+"/"+x.name, func(t *testing.T) {
						outer := c.T
						c.T = t
						defer func() { c.T = outer }()
						x.do(c)
					})
				}
			}
			c.checkEnd()
		})
	}
}

// A carry is a passage with a web server.
type carry struct {
	*passage
	web   *web
	f     family
	files map[int]string // of noise, by size
}

var exchanges = []struct {
	name string
	do   func(*carry)
}{
	{"whoami", (*carry).whoami},
	{"no_server_name", (*carry).noServerName},
	{"download", (*carry).download},
	{"upload", (*carry).upload},
	{"ranges", (*carry).ranges},
	{"chunked_and_trailers", (*carry).chunked},
	{"keep_alive", (*carry).keepAlive},
	{"HTTP_1.0", (*carry).http10},
	{"continue", (*carry).expect},
	{"HTTP2_in_clear", (*carry).http2InClear},
	{"server_sent_events", (*carry).serverSent},
	{"wget", (*carry).wget},
	{"websocket", (*carry).websocket},
	{"server_speaks_first", (*carry).serverFirst},
	{"both_speak_first", (*carry).bothFirst},
	{"no_HTTP", (*carry).binary},
}

// A protocol is how curl speaks HTTP.
type protocol struct {
	name   string
	scheme string
	flag   string
	proto  string // as the server sees it
}

var protocols = []protocol{
	{"HTTP", "http", "--http1.1", "HTTP/1.1"},
	{"HTTPS", "https", "--http1.1", "HTTP/1.1"},
	{"HTTP2", "https", "--http2", "HTTP/2.0"},
}

func (c *carry) url(p protocol, path string) string { return p.scheme + "://" + c.f.name + path }

// eachProtocol does the same for each.
func (c *carry) eachProtocol(do func(protocol)) {
	for _, p := range protocols {
		do(p)
	}
}

// curlOut runs curl and gives what it printed.
func (c *carry) curlOut(args ...string) string { return c.Run(c.Client, c.curl(args...)...) }

// whoami checks what the server sees of the client.
func (c *carry) whoami() {
	c.eachProtocol(func(p protocol) {
		c.checkSeer(c.curlOut(p.flag, "--user-agent", "lab", c.url(p, "/whoami")), p)
	})
}

func (c *carry) checkSeer(text string, p protocol) {
	c.T.Helper()
	var s seer
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		c.T.Fatalf("%v: %s", err, text)
	}
	from, _, err := net.SplitHostPort(s.Remote)
	if err != nil {
		c.T.Fatal(err)
	}
	want := c.f.router
	if c.mode == "tproxy" {
		want = c.f.client
	}
	if from != want || s.Proto != p.proto || s.Via != "" || s.UserAgent != "lab" {
		c.T.Errorf("%s: the server sees %+v, want %s from %s", p.name, s, p.proto, want)
	}
}

// noServerName is TLS without SNI: the server is an address.
func (c *carry) noServerName() {
	host := c.f.server
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	for _, p := range protocols[1:] {
		c.checkSeer(c.curlOut(p.flag, "--user-agent", "lab", "https://"+host+"/whoami"), p)
	}
}

// much is how long the transfers are whose length matters.
func (c *carry) much() int {
	if c.f == families["IPv4"] {
		return bulk
	}
	return some // the same code carries both
}

func (c *carry) download() {
	n := c.much()
	c.eachProtocol(func(p protocol) {
		got := filepath.Join(c.Dir, "got")
		c.curlOut(p.flag, "--output", got, c.url(p, fmt.Sprintf("/noise/%d", n)))
		if b, err := os.ReadFile(got); err != nil || !bytes.Equal(b, noise()[:n]) {
			c.T.Errorf("%s: %v, %d bytes, or others than were sent", p.name, err, len(b))
		}
	})
}

func (c *carry) upload() {
	n := c.much()
	want := fmt.Sprintf("%d %s []", n, sum(noise()[:n]))
	c.eachProtocol(func(p protocol) {
		if got := c.curlOut(p.flag, "--upload-file", c.files[n], c.url(p, "/sum")); got != want {
			c.T.Errorf("%s: the server got %s", p.name, got)
		}
	})
}

func (c *carry) ranges() {
	path := fmt.Sprintf("/noise/%d", bulk)
	c.eachProtocol(func(p protocol) {
		if got := c.curlOut(p.flag, "--range", "1000-1999", c.url(p, path)); got != string(noise()[1000:2000]) {
			c.T.Errorf("%s: the range has %d bytes, or others", p.name, len(got))
		}
		got := c.curlOut(p.flag, "--range", "0-9,100-109", c.url(p, path))
		for _, part := range []string{string(noise()[:10]), string(noise()[100:110]), fmt.Sprintf("bytes 100-109/%d", bulk)} {
			if !strings.Contains(got, part) {
				c.T.Errorf("%s: of two ranges there is no %q", p.name, part)
			}
		}
	})
}

// chunked sends a body of unknown length, and gets one with trailers.
func (c *carry) chunked() {
	c.eachProtocol(func(p protocol) {
		encoding := "[chunked]"
		if p.proto == "HTTP/2.0" {
			encoding = "[]"
		}
		got := c.Run(c.Client, append([]string{"sh", "-c", `exec "$@" <` + c.files[some], "sh"}, c.curl(p.flag, "--upload-file", "-", c.url(p, "/sum"))...)...)
		if want := fmt.Sprintf("%d %s %s", some, sum(noise()[:some]), encoding); got != want {
			c.T.Errorf("%s: the server got %s, want %s", p.name, got, want)
		}
		got = c.curlOut(p.flag, "--dump-header", "-", c.url(p, "/trailers"))
		if !strings.Contains(got, "part 4\n") || !regexp.MustCompile(`(?mi)^x-sum: 5 parts`).MatchString(got) {
			c.T.Errorf("%s: no trailer in %s", p.name, got)
		}
	})
}

func (c *carry) keepAlive() {
	c.eachProtocol(func(p protocol) {
		args := []string{p.flag, "--write-out", " %{num_connects}\n"}
		for _, path := range []string{"/small/1", "/small/2", "/small/3"} {
			args = append(args, "--output", "/dev/null", c.url(p, path))
		}
		if got := strings.Fields(c.curlOut(args...)); strings.Join(got, " ") != "1 0 0" {
			c.T.Errorf("%s: three requests made connections: %v", p.name, got)
		}
	})
}

func (c *carry) http10() {
	for _, p := range protocols[:2] {
		if got := c.curlOut("--http1.0", "--no-alpn", c.url(p, "/trailers")); !strings.HasSuffix(got, "part 4\n") {
			c.T.Errorf("%s: got %q", p.name, got)
		}
	}
}

// expect has curl wait for 100 Continue, longer than it would do without.
func (c *carry) expect() {
	for _, p := range protocols[:2] {
		stdout, stderr, err := c.Try(c.Client, c.curl("--verbose", "--http1.1", "--expect100-timeout", "20", "--header", "Expect: 100-continue",
			"--upload-file", c.files[some], c.url(p, "/sum"))...)
		if err != nil || !strings.Contains(stdout, sum(noise()[:some])) || !strings.Contains(stderr, "< HTTP/1.1 100 Continue") {
			c.T.Errorf("%s: %v, %s, %s", p.name, err, stdout, labtest.Tail(stderr))
		}
	}
}

// http2InClear offers HTTP/2 as an upgrade, which the server does not take, and speaks
// it without asking, where nobody on the way speaks HTTP.
func (c *carry) http2InClear() {
	c.checkSeer(c.curlOut("--http2", "--user-agent", "lab", c.url(protocols[0], "/whoami")), protocols[0])
	c.checkSeer(c.curlOut("--proxytunnel", "--http2-prior-knowledge", "--user-agent", "lab", c.url(protocols[0], "/whoami")), protocol{"h2c", "http", "", "HTTP/2.0"})
}

// serverSent lets the server send the second event only when curl has printed the
// first.
func (c *carry) serverSent() {
	c.eachProtocol(func(p protocol) {
		name := p.name + c.f.name
		cmd := c.Command(c.T.Context(), c.Client, c.curl("--no-buffer", p.flag, c.url(p, "/events/"+name))...)
		out, err := cmd.StdoutPipe()
		if err != nil {
			c.T.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			c.T.Fatal(err)
		}
		r := bufio.NewReader(out)
		first, err := r.ReadString('\n')
		if err != nil || first != "data: first\n" {
			c.T.Errorf("%s: first event %q, %v", p.name, first, err)
		}
		close(c.web.gate(name))
		rest, err := io.ReadAll(r)
		if err != nil || string(rest) != "\ndata: second\n\n" {
			c.T.Errorf("%s: then %q, %v", p.name, rest, err)
		}
		if err := cmd.Wait(); err != nil {
			c.T.Errorf("%s: curl: %v", p.name, err)
		}
	})
}

// wget fetches a file, and the second half of one.
func (c *carry) wget() {
	for _, p := range protocols[:2] {
		got := filepath.Join(c.Dir, "wget")
		for _, begun := range []int{0, some / 2} {
			if err := os.WriteFile(got, noise()[:begun], 0o644); err != nil {
				c.T.Fatal(err)
			}
			line := []string{"wget", "--no-verbose", "--tries=1", "--timeout=30", "--no-hsts", "--ca-certificate=" + c.ca, "--continue", "--output-document=" + got}
			if u := c.proxyURL(); u != nil {
				line = append(line, "-e", "use_proxy=yes", "-e", "http_proxy="+u.String(), "-e", "https_proxy="+u.String())
			} else {
				line = append(line, "--no-proxy")
			}
			c.Run(c.Client, append(line, c.url(p, fmt.Sprintf("/noise/%d", some)))...)
			if b, err := os.ReadFile(got); err != nil || !bytes.Equal(b, noise()[:some]) {
				c.T.Errorf("%s from %d: %v, %d bytes, or others than were sent", p.name, begun, err, len(b))
			}
		}
	}
}

// checkEnd checks what the proxy says of all that: it did what the way is about,
// and had nothing to complain of.
func (c *carry) checkEnd() {
	w := c.warden
	opened := w.metric(`intercept_total{result="opened"}`)
	if c.opened != (opened > 0) {
		c.T.Errorf("%v connections were opened", opened)
	}
	for _, name := range []string{`intercept_total{result="rejected"}`, `intercept_total{result="not_opened"}`, `dropped_total{enforced="true"}`, "dial_failures_total"} {
		if n := w.metric(name); n != 0 {
			c.T.Errorf("%s is %v", name, n)
		}
	}
	if c.mode != "explicit" && w.metric(`firewall_packets_total{rule="proxied"}`) == 0 {
		c.T.Error("the firewall sent nothing to the proxy")
	}
	for _, e := range w.Events() {
		c.T.Errorf("an event tells of %+v", e)
	}
	for line := range strings.Lines(w.Text()) {
		if strings.Contains(line, "fewer files can be open") {
			continue // it is about this machine
		}
		for _, word := range []string{"level=WARN", "level=ERROR", "connection ended"} {
			if strings.Contains(line, word) {
				c.T.Errorf("the proxy says %s", line)
			}
		}
	}
}
