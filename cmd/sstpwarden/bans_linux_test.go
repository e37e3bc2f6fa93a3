package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sstpwarden/nfq/nft"
	"sstpwarden/policies"
	"sstpwarden/proxy"

	"sstpwarden/cmd/daemon"
)

// runBans runs the command and gives what it prints.
func runBans(t *testing.T, args ...string) (string, error) {
	t.Helper()
	cmd := newBans()
	var out bytes.Buffer
	cmd.SetOut(&out)
	cmd.SetErr(&out)
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetArgs(args)
	err := cmd.ExecuteContext(t.Context())
	return out.String(), err
}

func serveBans(t *testing.T, h *bansHandler) (admin string) {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /bans", h.serveList)
	mux.HandleFunc("DELETE /bans", h.serveRemove)
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	return srv.Listener.Addr().String()
}

// someBans gives a handler and the bans that it has.
func someBans() (*bansHandler, *[]nft.Ban) {
	ban := func(client, server string, d time.Duration) nft.Ban {
		n := nft.Ban{Server: netip.MustParseAddrPort(server), For: d}
		if client != "" {
			n.Client = netip.MustParseAddr(client)
		}
		return n
	}
	have := &[]nft.Ban{
		ban("10.0.0.1", "192.0.2.1:443", 10*time.Minute),
		ban("10.0.0.2", "192.0.2.1:443", 2*time.Hour),
		ban("10.0.0.1", "192.0.2.2:8443", 300*time.Millisecond),
		ban("2001:db8::a", "[2001:db8::1]:443", 90*time.Second),
		ban("", "192.0.2.3:443", 20*time.Minute),
	}
	return &bansHandler{
		list: func() ([]nft.Ban, error) { return slices.Clone(*have), nil },
		remove: func(gone []nft.Ban) error {
			*have = slices.DeleteFunc(*have, func(n nft.Ban) bool { return slices.Contains(gone, n) })
			return nil
		},
	}, have
}

func TestBansList(t *testing.T) {
	h, have := someBans()
	admin := serveBans(t, h)
	const want = `CLIENT       SERVER             GOES ON FOR
10.0.0.2     192.0.2.1:443      2h0m0s
all          192.0.2.3:443      20m0s
10.0.0.1     192.0.2.1:443      10m0s
2001:db8::a  [2001:db8::1]:443  1m30s
10.0.0.1     192.0.2.2:8443     1s
`
	for _, args := range [][]string{{}, {"list"}} {
		if out, err := runBans(t, append(args, "--admin", admin)...); err != nil || out != want {
			t.Errorf("%v: %v\n%s", args, err, out)
		}
		out, err := runBans(t, append(args, "--json", "--admin", admin)...)
		var list []map[string]any
		if err != nil || json.Unmarshal([]byte(out), &list) != nil || len(list) != 5 || list[0]["client"] != "10.0.0.2" ||
			list[0]["server"] != "192.0.2.1:443" || list[0]["seconds_left"] != 7200.0 || list[1]["client"] != nil {
			t.Errorf("%v as JSON: %v\n%s", args, err, out)
		}
	}
	*have = nil
	if out, err := runBans(t, "--admin", admin); err != nil || out != "nobody is banned\n" {
		t.Errorf("%q, %v", out, err)
	}
	if out, err := runBans(t, "--admin", admin, "--json"); err != nil || out != "[]\n" {
		t.Errorf("%q, %v", out, err)
	}
}

func TestBansClear(t *testing.T) {
	for _, x := range []struct {
		args string
		left int
	}{
		{"10.0.0.1", 3},
		{"192.0.2.1", 3},
		{"::ffff:192.0.2.1", 3},
		{"192.0.2.1:443", 3},
		{"192.0.2.1:444", 5},
		{"10.0.0.1:443", 5}, // a client has no port
		{"[2001:db8::1]:443", 4},
		{"2001:db8::a", 4},
		{"192.0.2.3", 4},
		{"192.0.2.1 10.0.0.1 2001:db8::a", 1},
		{"198.51.100.1", 5},
		{"--all", 0},
	} {
		t.Run(x.args, func(t *testing.T) {
			h, have := someBans()
			out, err := runBans(t, append([]string{"clear", "--admin", serveBans(t, h)}, strings.Fields(x.args)...)...)
			want := "bans removed: " + string(rune('0'+5-x.left)) + "\n"
			if err != nil || out != want || len(*have) != x.left {
				t.Errorf("%q, %v; left are %v", out, err, *have)
			}
		})
	}
}

// The listener's own interface has clients and servers apart.
func TestBansOverHTTP(t *testing.T) {
	for query, want := range map[string]string{
		"":                                   `{"removed":5}`,
		"?client=10.0.0.1":                   `{"removed":2}`,
		"?client=192.0.2.1":                  `{"removed":0}`,
		"?server=192.0.2.1":                  `{"removed":2}`,
		"?server=192.0.2.1:443":              `{"removed":2}`,
		"?server=10.0.0.1":                   `{"removed":0}`,
		"?client=10.0.0.1&server=192.0.2.1":  `{"removed":1}`,
		"?address=10.0.0.1&server=192.0.2.1": `{"removed":1}`,
		"?client=10.0.0.1:443":               `{"error":"client \"10.0.0.1:443\" is no address"}`,
		"?server=vpn.example":                `{"error":"server \"vpn.example\" is no address, with or without a port: write 192.0.2.1, 192.0.2.1:443 or [2001:db8::1]:443"}`,
		"?address=x":                         `{"error":"\"x\" is no address, with or without a port: write 192.0.2.1, 192.0.2.1:443 or [2001:db8::1]:443"}`,
	} {
		h, _ := someBans()
		w := httptest.NewRecorder()
		h.serveRemove(w, httptest.NewRequestWithContext(t.Context(), http.MethodDelete, "/bans"+query, nil))
		if got := strings.TrimSpace(w.Body.String()); got != want || (w.Code == http.StatusOK) != strings.Contains(want, "removed") {
			t.Errorf("DELETE /bans%s: %d %s", query, w.Code, got)
		}
	}
}

// Where the table is gone for a moment, or whoever answers has no bans, it is told.
func TestBansFail(t *testing.T) {
	s := &nfqService{}
	s.bans = newBanner(s)
	admin := serveBans(t, &bansHandler{s.bans.list, s.bans.remove})
	for _, args := range [][]string{{"list"}, {"clear", "--all"}} {
		_, err := runBans(t, append(args, "--admin", admin)...)
		wantFailed(t, err, admin+" answers: the firewall's table is not installed")
	}
	srv := httptest.NewServer(http.NotFoundHandler())
	defer srv.Close()
	_, err := runBans(t, "--admin", srv.Listener.Addr().String())
	wantFailed(t, err, "404 Not Found; is this the admin listener of sstpwarden nfq or proxy?")
}

// A proxy has bans, too, none at first.
func TestBansOfProxy(t *testing.T) {
	c := daemon.Default()
	c.Proxy.Listen = []string{"127.0.0.1:0"}
	c.Admin.Listen = "unix:" + filepath.Join(t.TempDir(), "admin.sock")
	if err := c.Check(); err != nil {
		t.Fatal(err)
	}
	d, err := daemon.New(t.Context(), c, policies.PointProxy)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	admin := serveBans(t, proxyBans(proxy.New(proxy.Config{Inspector: d.Inspector, Gate: d.Gate(), Emit: d.Emit, Log: d.Logger()})))
	if out, err := runBans(t, "--admin", admin); err != nil || out != "nobody is banned\n" {
		t.Errorf("%q, %v", out, err)
	}
	if out, err := runBans(t, "clear", "--all", "--admin", admin); err != nil || out != "bans removed: 0\n" {
		t.Errorf("%q, %v", out, err)
	}
}
