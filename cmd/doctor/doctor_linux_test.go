package doctor

import (
	"net"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"sstpwarden/cmd/daemon"
	"sstpwarden/inspect"
	"sstpwarden/nfq"
	"sstpwarden/pcaps/netlab"
	"sstpwarden/pcaps/netlab/labtest"
	"sstpwarden/policies"
	"sstpwarden/rules"
)

func find(t *testing.T, findings []Finding, area, name string) Finding {
	t.Helper()
	for _, f := range findings {
		if f.Area == area && strings.HasPrefix(f.Name, name) {
			return f
		}
	}
	t.Fatalf("nothing is said of %s in %s: %+v", name, area, findings)
	return Finding{}
}

// What every mode needs is there where namespaces can be made, and is seen to work.
func TestProofs(t *testing.T) {
	labtest.Need(t)
	findings := Examine(t.Context(), Options{Config: new(daemon.Default())})
	for _, mode := range []string{"redirect", "tproxy"} {
		for _, name := range []string{"proof over IPv4", "proof over IPv6"} {
			if f := find(t, findings, mode, name); f.State != OK || !strings.Contains(f.Detail, "was taken on its way") {
				t.Errorf("%+v", f)
			}
		}
	}
	for _, name := range []string{"bypass", "queue and large packets", "mark", "reset", "ban"} {
		for _, family := range []string{" over IPv4", " over IPv6"} {
			if f := find(t, findings, "nfq", "proof of "+name+family); f.State != OK || f.Detail == "" {
				t.Errorf("%+v", f)
			}
		}
	}
	for _, f := range findings {
		if f.State == Missing {
			t.Errorf("missing: %+v", f)
		}
	}
}

// What is configured is looked at: addresses, files, and the user.
func TestConfigured(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	c := daemon.Default()
	c.Proxy.Listen = []string{ln.Addr().String(), "127.0.0.1:0", "192.0.2.1:3128"}
	c.Rules = filepath.Join(t.TempDir(), "none.yaml")
	c.Proxy.Limits.Connections = 1 << 30
	findings := Examine(t.Context(), Options{Config: &c})
	for _, want := range []struct {
		area, name string
		state      State
	}{
		{"explicit", "listen " + ln.Addr().String(), Warning},
		{"explicit", "listen 127.0.0.1:0", OK},
		{"explicit", "listen 192.0.2.1:3128", Missing},
		{"configuration", "files", Missing},
		{"configuration", "policy", OK},
		{"host", "open files", Warning},
		{"host", "kernel", OK},
	} {
		if f := find(t, findings, want.area, want.name); f.State != want.state {
			t.Errorf("%s is %s, want %s: %+v", want.name, f.State, want.state, f)
		}
	}
	for _, f := range findings {
		if f.Area == "redirect" || f.Area == "tproxy" {
			t.Errorf("not configured, and looked at: %+v", f)
		}
	}
}

// A configuration of the inspector alone has that looked at alone, with all of its queues.
func TestInspectorAlone(t *testing.T) {
	labtest.Need(t)
	c := daemon.Default()
	c.NFQ.Fail = daemon.FailClosed
	last := c.NFQ.Queues.First + runtime.GOMAXPROCS(0) - 1
	h, err := netlab.NewHost("host")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	var findings []Finding
	err = h.Do(func() error {
		in := inspect.NewInspector(inspect.Options{Rules: rules.Default()})
		w := nfq.New(nfq.Config{Inspector: func() *inspect.Inspector { return in }, Gate: &policies.Gate{Point: policies.PointNFQ}})
		q, err := nfq.Open(nfq.QueueConfig{Number: uint16(last)}, w)
		if err != nil {
			return err
		}
		findings = Examine(t.Context(), Options{Config: &c})
		return q.Close()
	})
	if err != nil {
		t.Fatal(err)
	}
	if f := find(t, findings, "nfq", "queues"); f.State != Warning || !strings.Contains(f.Detail, strconv.Itoa(last)) {
		t.Errorf("somebody has queue %d: %+v", last, f)
	}
	for _, f := range findings {
		if f.Area != "nfq" && f.Area != "configuration" && f.Area != "host" || f.Name == "open files" {
			t.Errorf("not of the inspector: %+v", f)
		}
	}
}

// The limit of open files counts as what the proxy will have once it runs.
func TestOpenFiles(t *testing.T) {
	c := daemon.Default()
	c.Proxy.Limits.Connections = 10_000 // 20,512 files
	for _, tt := range []struct {
		hard, most uint64
		raises     bool
		state      State
		detail     string
		remedy     string
	}{
		{20_512, 1 << 20, false, OK, "20512 may be open at once", ""},
		{4096, 1 << 20, true, OK, "the proxy raises its limit to that", ""},
		{4096, 1 << 20, false, Warning, "4096 may be open at once, and this process may not raise that", "LimitNOFILE=20512"},
		{4096, 10_000, true, Warning, "no process may have more than 10000", "fs.nr_open=20512"},
		{4096, 0, true, Warning, "may not raise that", "ulimit -Hn 20512"},
	} {
		e := &examination{config: &c}
		e.judgeFiles(tt.hard, tt.most, tt.raises)
		if f := e.findings[0]; f.State != tt.state || !strings.Contains(f.Detail, tt.detail) || !strings.Contains(f.Remedy, tt.remedy) {
			t.Errorf("%d of %d, raises %v: %+v", tt.hard, tt.most, tt.raises, f)
		}
	}
}
