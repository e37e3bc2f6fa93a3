package main

import (
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"sstpwarden/cmd/cli"
	"sstpwarden/cmd/cli/clitest"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"sstplab": func() { cli.Main(newRoot()) }})
}

// TestScripts runs the commands as users do. They are given
//
//	web VAR               the address of a web server that is not on the loopback
//	fetch PROXY URL       what the web server says through a proxy
//	decode FILE           tshark's protocols of each packet; no warning, and all is decoded
//	status N ARG...       sstplab, and its exit status
//	grab VAR FILE REGEXP  what the group matches, once it is there
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("testdata", "script"),
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"web": web, "grab": grab, "fetch": fetch, "decode": decode, "status": clitest.Status("sstplab"),
		},
		Setup: func(e *testscript.Env) error {
			e.Setenv("HOME", e.WorkDir)
			return nil
		},
	})
}

// hostAddress is an address of this host that is not on the loopback.
func hostAddress() string {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return ""
	}
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil && n.IP.IsGlobalUnicast() {
			return n.IP.String()
		}
	}
	return ""
}

func web(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: web VAR")
	}
	host := hostAddress()
	if host == "" {
		ts.Fatalf("this host has no address but loopback ones; the test needs one that a tunnel may lead to")
	}
	ln, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	ts.Check(err)
	s := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/" {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write([]byte(strings.Repeat("through the tunnel\n", 10_000))) // a client that is gone shows itself
	})}
	go func() { _ = s.Serve(ln) }() // ends with Close
	ts.Defer(func() { ts.Check(s.Close()) })
	ts.Setenv(args[0], ln.Addr().String())
}

func grab(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: grab VAR FILE REGEXP")
	}
	re, err := regexp.Compile(args[2])
	ts.Check(err)
	var text []byte
	for range 600 { // at most 30 seconds
		if text, err = os.ReadFile(ts.MkAbs(args[1])); err == nil {
			if m := re.FindSubmatch(text); m != nil {
				ts.Setenv(args[0], string(m[1]))
				return
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
	ts.Fatalf("%s has nothing that matches %s:\n%s", args[1], args[2], text)
}

func fetch(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: fetch PROXY URL")
	}
	via, err := url.Parse(args[0])
	ts.Check(err)
	c := http.Client{Transport: &http.Transport{Proxy: http.ProxyURL(via), DisableKeepAlives: true}, Timeout: 30 * time.Second}
	answer, err := c.Get(args[1])
	ts.Check(err)
	defer answer.Body.Close()
	_, err = io.Copy(ts.Stdout(), answer.Body)
	ts.Check(err)
}
