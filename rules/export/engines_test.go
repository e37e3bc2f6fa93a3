package export_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"sstpwarden/inspect"
	"sstpwarden/rules"
)

// program finds a program that CI has.
func program(t *testing.T, name string) string {
	t.Helper()
	t.Setenv("PATH", os.Getenv("PATH")+":/usr/sbin:/sbin")
	path, err := exec.LookPath(name)
	switch {
	case err == nil:
	case os.Getenv("CI") == "true":
		t.Fatal(err)
	default:
		t.Skip(err)
	}
	return path
}

// patience is how long a program may take for what it does at once.
const patience = 30 * time.Second

// run runs a program to its end, and gives what it says.
func run(t *testing.T, name string, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	return string(out), err
}

// start runs a program until the test ends, and waits for it to listen.
func start(t *testing.T, address, name string, args ...string) {
	t.Helper()
	cmd := exec.Command(name, args...)
	log := filepath.Join(t.TempDir(), "log")
	f, err := os.Create(log)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	cmd.Stdout, cmd.Stderr = f, f
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // it tidies up
		select {
		case <-ended:
		case <-time.After(patience):
			_ = cmd.Process.Kill()
			<-ended
		}
	})
	for deadline := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		if c, err := net.Dial("tcp", address); err == nil {
			c.Close()
			return
		}
		select {
		case <-ended:
		default:
			if time.Now().Before(deadline) {
				continue
			}
		}
		said, _ := os.ReadFile(log)
		t.Fatalf("%s does not listen on %s:\n%s", name, address, said)
	}
}

// free gives an address that nothing listens on.
func free(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// folder gives one that every user may look into.
func folder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, d := range []string{filepath.Dir(dir), dir} {
		if err := os.Chmod(d, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// site is a web server that counts who comes.
func site(t *testing.T) (address string, visits *atomic.Int32) {
	t.Helper()
	visits = new(atomic.Int32)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "welcome") }))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			visits.Add(1)
		}
	}
	s.Start()
	t.Cleanup(s.Close)
	return s.Listener.Addr().String(), visits
}

// judged has real clients go through a proxy that an export is loaded into:
// curl's tunnel is let pass, that of sstpc is not, nor one that is announced in
// another spelling.
func judged(t *testing.T, proxy string) {
	t.Helper()
	curl, sstpc := program(t, "curl"), program(t, "sstpc")
	target, visits := site(t)
	out, err := run(t, curl, "--silent", "--show-error", "--max-time", "20", "--proxy", "http://"+proxy, "--proxytunnel", "http://"+target+"/")
	if err != nil || out != "welcome" {
		t.Errorf("curl does not come through: %v\n%s", err, out)
	}
	before := visits.Load()
	out, err = run(t, sstpc, "--log-stderr", "--log-level", "4", "--nolaunchpppd", "--cert-warn", "--user", "u", "--password", "p", "--proxy", "http://"+proxy, target)
	if err == nil || !strings.Contains(out, "Could not connect to proxy server") {
		t.Errorf("sstpc is not told that it may not: %v\n%s", err, out)
	}
	for _, header := range []string{"SSTPVERSION", "sstpversion", "Sstp-Version", "SSTP_VERSION"} {
		if got := connect(t, proxy, target, header); got != http.StatusForbidden {
			t.Errorf("%s: status %d", header, got)
		}
	}
	if got := ask(t, proxy, "SSTP_DUPLEX_POST http://"+target+"/ HTTP/1.1\r\nHost: "+target+"\r\nContent-Length: 18446744073709551615\r\n\r\n"); got/100 != 4 {
		t.Errorf("an endless length: status %d", got)
	}
	if n := visits.Load() - before; n != 0 {
		t.Errorf("%d of what was denied came through", n)
	}
}

func connect(t *testing.T, proxy, target, header string) int {
	t.Helper()
	return ask(t, proxy, fmt.Sprintf("CONNECT %s HTTP/1.1\r\nHost: %[1]s\r\n%s: 1.0\r\n\r\n", target, header))
}

// ask sends a head and gives the status of the answer.
func ask(t *testing.T, proxy, head string) int {
	t.Helper()
	c, err := net.Dial("tcp", proxy)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(c, head); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), &http.Request{Method: http.MethodConnect})
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	return resp.StatusCode
}

func TestSquid(t *testing.T) {
	squid := program(t, "squid")
	dir := folder(t)
	proxy, log := free(t), filepath.Join(dir, "access.log")
	conf := func(name, text string) string {
		rules := write(t, dir, name+"-rules.conf", text)
		user := ""
		if os.Getuid() == 0 {
			user = "cache_effective_user proxy\n"
		}
		return write(t, dir, name+".conf", fmt.Sprintf(`http_port %s
pid_filename none
logformat sstp %%rm %%>Hs %%note{sstp}
access_log stdio:%s logformat=sstp
cache_log %s
coredump_dir %[4]s
cache deny all
pinger_enable off
shutdown_lifetime 0 seconds
%sinclude %s
http_access allow localhost
http_access deny all
`, proxy, log, filepath.Join(dir, name+".log"), dir, user, rules))
	}
	all, err := rules.Load("testdata/rules.yaml")
	if err != nil {
		t.Fatal(err)
	}
	main := conf("default", exported(t, "squid", rules.Default()))
	for _, path := range []string{main, conf("all", exported(t, "squid", all)), conf("own", exported(t, "squid", load(t, own)))} {
		out, err := run(t, squid, "-k", "parse", "-f", path)
		if err != nil || strings.Contains(out, "ERROR") || strings.Contains(out, "WARNING") {
			t.Errorf("%v\n%s", err, out)
		}
	}
	// A service name of its own keeps its shared memory apart from others'.
	start(t, proxy, squid, "-N", "-n", fmt.Sprintf("export%d", os.Getpid()), "-f", main)
	judged(t, proxy)
	logged, err := os.ReadFile(log)
	if err != nil || !strings.Contains(string(logged), "CONNECT 403 connect.sstpversion") || !strings.Contains(string(logged), "CONNECT 200 -") {
		t.Errorf("%v\n%s", err, logged)
	}
}

// upstream is a proxy that carries CONNECTs.
func upstream(t *testing.T) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		to, err := net.Dial("tcp", r.Host)
		if r.Method != http.MethodConnect || err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		defer to.Close()
		w.WriteHeader(http.StatusOK)
		from, buffered, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer from.Close()
		go func() { _, _ = io.Copy(to, buffered); _ = to.(*net.TCPConn).CloseWrite() }()
		_, _ = io.Copy(from, to)
	}))
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

const haproxyRest = `
defaults rest
    timeout connect 5s
    timeout client 20s
    timeout server 20s
frontend proxy from sstpwarden-http
    timeout client 20s
    bind %s
    default_backend proxies
backend proxies from rest
    mode http
    server one %s
frontend tls
    mode tcp
    timeout client 20s
%s
    bind %s
    default_backend sites
backend sites from rest
    mode tcp
    server one %s
`

func TestHAProxy(t *testing.T) {
	haproxy := program(t, "haproxy")
	dir := t.TempDir()
	proxy, front := free(t), free(t)
	secure := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(secure.Close)
	all, err := rules.Load("testdata/rules.yaml")
	if err != nil {
		t.Fatal(err)
	}
	extended := load(t, "version: 1\nextends: default\nrules:\n  - {id: site.name, about: n, weight: 60, source: t, match: {hello: {sni: [.rogue.example]}}}\n")
	carry := upstream(t)
	var main, rest string
	for i, rs := range []*inspect.Ruleset{all, load(t, own), extended} {
		text := exported(t, "haproxy", rs)
		var names strings.Builder // what is for a frontend that passes TLS on
		for line := range strings.Lines(text) {
			if l, ok := strings.CutPrefix(line, "#tls# "); ok {
				names.WriteString(l)
			}
		}
		main = write(t, dir, fmt.Sprintf("sstp%d.cfg", i), text)
		rest = write(t, dir, fmt.Sprintf("haproxy%d.cfg", i), fmt.Sprintf(haproxyRest, proxy, carry, names.String(), front, secure.Listener.Addr()))
		if out, err := run(t, haproxy, "-c", "-f", main, "-f", rest); err != nil || strings.Contains(out, "WARNING") {
			t.Errorf("%v\n%s", err, out)
		}
	}
	start(t, proxy, haproxy, "-db", "-f", main, "-f", rest)
	judged(t, proxy)

	for _, test := range []struct {
		name   string
		passes bool
	}{{"rogue.example", false}, {"vpn.Rogue.example", false}, {"honest.example", true}, {"notrogue.example", true}} {
		d := tls.Dialer{Config: &tls.Config{ServerName: test.name, InsecureSkipVerify: true}} // whom it reaches is asked, not who that is
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		c, err := d.DialContext(ctx, "tcp", front)
		cancel()
		if (err == nil) != test.passes {
			t.Errorf("%s: %v", test.name, err)
		}
		if err == nil {
			c.Close()
		}
	}
}
