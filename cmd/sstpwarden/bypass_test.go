package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"sstpwarden/cmd/cli"
	"sstpwarden/proxy/bypass"
)

// runBypass runs the command and gives what it prints.
func runBypass(t *testing.T, args ...string) (string, error) {
	t.Helper()
	cmd := newBypass()
	var out bytes.Buffer
	cmd.SetOut(&out)
	cmd.SetErr(&out)
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetArgs(args)
	err := cmd.ExecuteContext(t.Context())
	return out.String(), err
}

func wantFailed(t *testing.T, err error, want string) {
	t.Helper()
	e, ok := errors.AsType[*cli.ExitError](err)
	if !ok || e.Status != cli.ExitFailed || !strings.Contains(e.Error(), want) {
		t.Errorf("%v\nwant status 1 and %s", err, want)
	}
}

// TestBypass has the command talk to a list, over both kinds of listener.
func TestBypass(t *testing.T) {
	path := filepath.Join(t.TempDir(), "admin.sock")
	for _, network := range []string{"unix", "tcp"} {
		t.Run(network, func(t *testing.T) {
			address, admin := path, "unix:"+path
			if network == "tcp" {
				address = "127.0.0.1:0"
			}
			ln, err := new(net.ListenConfig).Listen(t.Context(), network, address)
			if err != nil {
				t.Fatal(err)
			}
			if network == "tcp" {
				admin = ln.Addr().String()
			}
			list := bypass.New(bypass.Options{Rejections: 1})
			srv := httptest.NewUnstartedServer(list.Handler())
			srv.Listener = ln
			srv.Start()
			defer srv.Close()
			testBypass(t, list, admin)
		})
	}
}

func testBypass(t *testing.T, list *bypass.List, admin string) {
	run := func(args ...string) (string, error) { return runBypass(t, append(args, "--admin", admin)...) }
	if out, err := run("list"); err != nil || out != "nothing is exempt from opening\n" {
		t.Errorf("%q, %v", out, err)
	}
	if out, err := run("list", "--json"); err != nil || out != "[]\n" {
		t.Errorf("%q, %v", out, err)
	}

	out, err := run("add", "--name", ".Bank.example.", "--port", "443", "--client", "10.1.0.0/16", "--user", "eve", "--reason", "pinned", "--json", "--for", "0")
	if err != nil {
		t.Fatal(err)
	}
	var e bypass.Entry
	if err := json.Unmarshal([]byte(out), &e); err != nil {
		t.Fatal(err)
	}
	if e.Kind != bypass.Added || e.Name != ".bank.example" || e.Port != 443 || e.User != "eve" || !e.Expires.IsZero() || e.Client.String() != "10.1.0.0/16" {
		t.Errorf("%+v", e)
	}
	if out, err := run("add", "--address", "198.51.100.7"); err != nil || !regexp.MustCompile(`added +198\.51\.100\.7 +- +- +0 +never +20\d\d-`).MatchString(out) {
		t.Errorf("%s, %v", out, err)
	}
	list.Rejected(netip.MustParseAddr("10.0.0.1"), "app.example", netip.MustParseAddrPort("192.0.2.1:443"))
	list.Tunnel(netip.MustParseAddr("10.0.0.1"), netip.MustParseAddrPort("[2001:db8::1]:443"), "vpn.example", "r1")

	out, err = run("list")
	for _, want := range []string{
		e.ID + ` +added +\.bank\.example :443 +10\.1\.0\.0/16 +eve +0 +never +never +pinned\n`,
		`tunnel +vpn\.example 2001:db8::1 :443 +10\.0\.0\.1 +- +0 `,
		`rejected +app\.example +10\.0\.0\.1 `,
	} {
		if err != nil || !regexp.MustCompile(want).MatchString(out) {
			t.Errorf("want %s, got %v\n%s", want, err, out)
		}
	}
	if out, err := run("list", "--kind", "tunnel,rejected"); err != nil || strings.Count(out, "\n") != 3 {
		t.Errorf("%v\n%s", err, out)
	}
	if out, err := run("remove", e.ID); err != nil || out != "" {
		t.Errorf("%q, %v", out, err)
	}
	_, err = run("remove", e.ID)
	wantFailed(t, err, admin+` answers: there is no entry "`+e.ID+`"`)
	if out, err := run("clear", "--kind", "tunnel,rejected"); err != nil || out != "entries removed: 2\n" {
		t.Errorf("%q, %v", out, err)
	}
	_, err = run("clear", "--kind", "configured")
	wantFailed(t, err, "configured entries are in the configuration")
	if n := len(list.Entries()); n != 1 {
		t.Errorf("%d entries are left", n)
	}
}

// TestBypassAsksSomethingElse has the command talk to what is no such listener.
func TestBypassAsksSomethingElse(t *testing.T) {
	for answer, want := range map[string]string{
		"404":     "404 Not Found; is this the admin listener of a proxy that can open TLS?",
		"garbage": "reading the answer of ",
		"silent":  "EOF",
	} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch answer {
			case "404":
				http.NotFound(w, r)
			case "garbage":
				_, _ = w.Write([]byte("<html>"))
			default:
				panic(http.ErrAbortHandler)
			}
		}))
		_, err := runBypass(t, "list", "--admin", srv.Listener.Addr().String())
		wantFailed(t, err, want)
		srv.Close()
	}
}

func TestBypassMayNotAsk(t *testing.T) {
	c, err := newAdminClient(defaultAdmin, "the proxy", "a proxy")
	if err != nil {
		t.Fatal(err)
	}
	err = c.failed(&net.OpError{Op: "dial", Err: os.NewSyscallError("connect", os.ErrPermission)})
	wantFailed(t, err, "only root and the user that the proxy runs as may ask it")
	wantFailed(t, c.failed(context.DeadlineExceeded), "asking unix:/run/sstpwarden/admin.sock: context deadline exceeded")
}
