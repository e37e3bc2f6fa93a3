package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/spf13/cobra"

	"sstpwarden/cmd/cli"
	"sstpwarden/pcaps/sstpref"
	"sstpwarden/pcaps/sstpref/profile"
	"sstpwarden/proxy/probe"
)

// runProbe runs the command and gives what it printed and its exit status.
func runProbe(ctx context.Context, stdin string, args ...string) (stdout string, status int, err error) {
	root := &cobra.Command{Use: "sstpwarden", SilenceErrors: true, SilenceUsage: true}
	root.AddCommand(newProbe())
	var out bytes.Buffer
	root.SetArgs(append([]string{"probe"}, args...))
	root.SetIn(strings.NewReader(stdin))
	root.SetOut(&out)
	root.SetErr(io.Discard)
	err = root.ExecuteContext(ctx)
	if e, ok := errors.AsType[*cli.ExitError](err); ok {
		status = e.Status
	} else if err != nil {
		status = cli.ExitUsage
	}
	return out.String(), status, err
}

// sstpServer runs the reference server until the test ends.
func sstpServer(t *testing.T, name string) string {
	t.Helper()
	p, err := profile.ServerByName(name)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := sstpref.SelfSigned(time.Now(), true, "vpn.example")
	if err != nil {
		t.Fatal(err)
	}
	s, err := sstpref.NewServer(sstpref.ServerConfig{
		TLS: sstpref.ServerTLS(cert, 0, 0), Profile: p,
		Assign: func(string) (*sstpref.Lease, error) { return nil, errors.New("nobody logs in") },
	})
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(ln) }()
	t.Cleanup(func() {
		if err := errors.Join(s.Shutdown(context.Background()), <-served); err != nil {
			t.Error(err)
		}
	})
	return ln.Addr().String()
}

// webServer answers no to everything, after a while, and says by what name it was
// asked.
func webServer(t *testing.T, after time.Duration) (addr string, names chan string) {
	t.Helper()
	cert, err := sstpref.SelfSigned(time.Now(), true, "www.example")
	if err != nil {
		t.Fatal(err)
	}
	ln, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{cert}})
	if err != nil {
		t.Fatal(err)
	}
	names = make(chan string, 64)
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer c.Close()
				_, _ = c.Read(make([]byte, 4096))
				names <- c.(*tls.Conn).ConnectionState().ServerName
				time.Sleep(after)
				_, _ = io.WriteString(c, "HTTP/1.1 405 Method Not Allowed\r\nServer: \x1b[31mweb\r\n\r\n")
				_, _ = io.Copy(io.Discard, c)
			})
		}
	})
	t.Cleanup(func() { ln.Close(); serving.Wait() })
	return ln.Addr().String(), names
}

func TestProbeTable(t *testing.T) {
	vpn := sstpServer(t, "rras")
	web, _ := webServer(t, 0)
	out, status, err := runProbe(t.Context(), "", vpn, web)
	if status != 0 {
		t.Fatalf("%d: %v", status, err)
	}
	lines := strings.Split(out, "\n")
	for i, want := range [][]string{
		{"SERVER", "SSTP", "PROGRAM"},
		{vpn, "yes", "rras", "1.3", "CN=vpn.example", " ms"},
		{"  200 with the endless Content-Length of SSTP"},
		{"  response head of Windows RRAS"},
		{web, "no", "1.3", "CN=www.example"},
		{"  the server answered 405 Method Not Allowed to the request of SSTP; it was asked without a name"},
		{""},
		{"2 results: 1 yes, 1 no, 0 unclear"},
	} {
		for _, part := range want {
			if i >= len(lines) || !strings.Contains(lines[i], part) {
				t.Errorf("line %d has no %q:\n%s", i, part, out)
			}
		}
	}
	if strings.Contains(out, "\x1b") {
		t.Errorf("%q", out)
	}
}

func TestProbeStatus(t *testing.T) {
	vpn := sstpServer(t, "softether")
	web, _ := webServer(t, 0)
	for _, tt := range []struct {
		want int
		args []string
	}{
		{0, []string{vpn}},
		{3, []string{vpn, web, "--fail-on", "sstp"}},
		{3, []string{"127.0.0.1:1", vpn, "--fail-on", "sstp"}},
		{0, []string{web, "--fail-on", "sstp"}},
		{1, []string{web, "127.0.0.1:1", "--fail-on", "sstp"}},
		{2, []string{vpn, "--fail-on", "no"}},
		{1, []string{vpn, "--out", "/dev/full"}},
	} {
		if _, status, err := runProbe(t.Context(), "", tt.args...); status != tt.want {
			t.Errorf("%v: %d, want %d: %v", tt.args, status, tt.want, err)
		}
	}
}

// TestProbeJSON wants a line a server, in the order given, and by the schema.
func TestProbeJSON(t *testing.T) {
	vpn := sstpServer(t, "accel")
	slow, names := webServer(t, 200*time.Millisecond)
	file := filepath.Join(t.TempDir(), "list.txt")
	if err := os.WriteFile(file, []byte("# ours\n\n"+vpn+" # twice\nLOCALHOST:"+port(slow)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, status, err := runProbe(t.Context(), "", "--format", "json", "--rate", "1000", slow, "127.0.0.1:1", vpn, "--list", file, "--sni", "www.example", "--allow-private")
	if status != 1 {
		t.Fatalf("%d: %v", status, err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(probe.Schema))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("result.schema.json", doc); err != nil {
		t.Fatal(err)
	}
	schema := compiler.MustCompile("result.schema.json")
	var got []string
	for line := range strings.Lines(out) {
		value, err := jsonschema.UnmarshalJSON(strings.NewReader(line))
		if err == nil {
			err = schema.Validate(value)
		}
		var r probe.Result
		if err := errors.Join(err, json.Unmarshal([]byte(line), &r)); err != nil {
			t.Fatalf("%v\n%s", err, line)
		}
		if r.Name != "www.example" {
			t.Errorf("asked by %q", r.Name)
		}
		got = append(got, r.Target+" "+r.SSTP.String()+" "+r.Implementation)
	}
	want := []string{slow + " no ", "127.0.0.1:1 unclear ", vpn + " yes accel", "localhost:" + port(slow) + " no "}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if name := <-names; name != "www.example" {
		t.Errorf("SNI %q", name)
	}
}

func port(addr string) string {
	_, port, _ := net.SplitHostPort(addr)
	return port
}

// TestProbeNames asks a name that has several addresses, of which one has a server.
func TestProbeNames(t *testing.T) {
	vpn := sstpServer(t, "mikrotik")
	addrs, err := net.DefaultResolver.LookupNetIP(t.Context(), "ip", "localhost")
	if err != nil {
		t.Fatal(err)
	}
	out, _, err := runProbe(t.Context(), "", "localhost:"+port(vpn), "--format", "json")
	if strings.Count(out, "\n") != 1 || !strings.Contains(out, `"sstp":"yes","implementation":"mikrotik"`) || !strings.Contains(out, `"name":"localhost"`) {
		t.Errorf("%v\n%s", err, out)
	}
	out, _, err = runProbe(t.Context(), "", "localhost:"+port(vpn), "--format", "json", "--all-addresses")
	if strings.Count(out, "\n") != len(addrs) || strings.Count(out, `"sstp":"yes"`) != 1 {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestProbeStandardInput(t *testing.T) {
	vpn := sstpServer(t, "reference")
	out, status, err := runProbe(t.Context(), vpn+"\r\n", "--list", "-", "--allow-private")
	if status != 0 || !strings.Contains(out, "1 result: 1 yes") {
		t.Errorf("%d: %v\n%s", status, err, out)
	}
}

// TestProbeStopped wants what was asked before a signal.
func TestProbeStopped(t *testing.T) {
	web, _ := webServer(t, 0)
	hanging, names := webServer(t, time.Second)
	ctx, stop := context.WithCancel(t.Context())
	go func() {
		<-names
		stop()
	}()
	out, status, err := runProbe(ctx, "", web, hanging, "127.0.0.1:1", "--format", "json", "--parallel", "1", "--rate", "1000")
	if status != 1 || !strings.Contains(err.Error(), "stopped; the result covers") || strings.Count(out, "\n") != 1 || !strings.Contains(out, `"sstp":"no"`) {
		t.Errorf("%d: %v\n%s", status, err, out)
	}
}

func TestProbeListBounds(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"a\n" + strings.Repeat("b", maxListLine+1) + "\nc\n", "test:2: more than 1024 bytes"},
		{strings.Repeat("a b\n", 100), "test:10: "},
		{strings.Repeat("\n", maxListLines+1), "more than 1048576 lines"},
		{"\x00\xff\n", "test:1: "},
	} {
		targets, err := readProbeList(strings.NewReader(tt.text), "test")
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Count(err.Error(), "\n") >= maxListErrors {
			t.Errorf("%v: %v", targets, err)
		}
	}
}

func TestParseProbeTarget(t *testing.T) {
	for text, want := range map[string]string{
		"vpn.example.org":       "vpn.example.org:443",
		"VPN.Example.org.:8443": "vpn.example.org:8443",
		"b\u00fccher.example":   "xn--bcher-kva.example:443",
		"my_host":               "my_host:443",
		"192.0.2.7":             "192.0.2.7:443",
		"192.0.2.7:992":         "192.0.2.7:992",
		"2001:db8::7":           "[2001:db8::7]:443",
		"[2001:db8::7]":         "[2001:db8::7]:443",
		"[2001:db8::7]:992":     "[2001:db8::7]:992",
		"[fe80::7%eth0]:992":    "[fe80::7%eth0]:992",
		"::ffff:192.0.2.7":      "192.0.2.7:443",
		"sstp://vpn":            "",
		"":                      "",
		":443":                  "",
		"a:":                    "",
		"a:65536":               "",
		"a:-1":                  "",
		"a:b:1":                 "",
		"[::1]443":              "",
		"[::1]:":                "",
		"[::1":                  "",
		"[vpn]:443":             "",
		"a/b":                   "",
		"user@a":                "",
	} {
		got, err := parseProbeTarget(text)
		if (err == nil) != (want != "") || err == nil && got.String() != want {
			t.Errorf("%q: %v, %v; want %q", text, got, err, want)
		}
	}
}

func FuzzParseProbeTarget(f *testing.F) {
	for _, s := range []string{"vpn.example.org:8443", "[2001:db8::7]:443", "::1", "b\u00fccher.example", "192.0.2.7", "[fe80::1%x]:1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := parseProbeTarget(s)
		if err != nil {
			return
		}
		if got.port == 0 || got.addr.IsValid() == (got.host != "") || got.host != "" && !probe.IsHostName(got.host) {
			t.Errorf("%q: %+v", s, got)
		}
		if again, err := parseProbeTarget(got.String()); err != nil || again != got {
			t.Errorf("%q: %+v, then %+v, %v", s, got, again, err)
		}
	})
}

func TestPacer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pacer{every: time.Second / 5}
		start := time.Now()
		var mu sync.Mutex
		var at []time.Duration
		var waiting sync.WaitGroup
		for range 6 {
			waiting.Go(func() {
				p.wait(t.Context())
				mu.Lock()
				defer mu.Unlock()
				at = append(at, time.Since(start))
			})
		}
		waiting.Wait()
		slices.Sort(at)
		const step = time.Second / 5
		if diff := cmp.Diff([]time.Duration{0, step, 2 * step, 3 * step, 4 * step, 5 * step}, at); diff != "" {
			t.Error(diff)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		p.wait(ctx) // nobody wants to be let through
	})
}

// TestProbeListed wants a listed name's address looked at, and not the name.
func TestProbeListed(t *testing.T) {
	r := &probeRun{probeFlags: &probeFlags{timeout: time.Second}, prober: &probe.Prober{Dial: func(context.Context, string, string) (net.Conn, error) {
		t.Error("dialed")
		return nil, io.EOF
	}}}
	for _, target := range []probeTarget{{host: "localhost", port: 443, listed: true}, {addr: netip.MustParseAddr("10.0.0.1"), port: 443, listed: true}} {
		for _, got := range r.ask(t.Context(), target) {
			if got.Step != probe.StepConnect || !got.Server.IsValid() || !strings.Contains(got.Err, "--allow-private") {
				t.Errorf("%+v", got)
			}
		}
	}
}
