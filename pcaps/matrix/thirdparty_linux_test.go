package matrix

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sstpwarden/pcaps/netlab"
)

// A bench has a device between two hosts, and beside it a link on which the client asks
// for far ends. The server's side runs.
type bench struct {
	*netlab.Routed
	t   *testing.T
	dir string
}

// Addresses on the link beside the device.
const (
	controlClient = "192.0.2.1"
	controlServer = "192.0.2.2"
)

// benchGrid is what is tried: tunnels in three shapes, and what is none.
const benchGrid = `version: 1
groups:
- name: tunnels
  clients: [windows, sstpc]
  servers: softether
- name: asked
  servers: softether
  paths: proxy
  transforms: [connect-lower, connect-bare]
- name: benign
  clients: chrome
  scenarios: [https-page, websocket, grpc-stream]
`

// lacking skips a test for which root, or a program, is not there. In CI it must be.
func lacking(t *testing.T, programs ...string) {
	t.Helper()
	t.Setenv("PATH", os.Getenv("PATH")+":/usr/sbin:/sbin")
	missing := ""
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			missing = p
		}
	}
	if os.Geteuid() != 0 {
		missing = "root"
	}
	switch {
	case missing == "":
	case os.Getenv("CI") != "":
		t.Fatal(missing + " is missing")
	default:
		t.Skip(missing + " is missing")
	}
}

func newBench(t *testing.T, programs ...string) *bench {
	t.Helper()
	lacking(t, programs...)
	routed, err := netlab.NewRouted()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := routed.Close(); err != nil {
			t.Error(err)
		}
	})
	b := &bench{Routed: routed, t: t, dir: t.TempDir()}
	for _, d := range []string{filepath.Dir(b.dir), b.dir} { // a device may give its rights up
		if err := os.Chmod(d, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(netlab.Join(b.Server, "beside", b.Client, "beside"),
		b.Server.Address("beside", controlServer+"/24"), b.Client.Address("beside", controlClient+"/24")); err != nil {
		t.Fatal(err)
	}
	b.file("grid.yaml", benchGrid)
	b.begin(b.Server, says("taking orders on "+controlServer), built(t, "sstplab"), "matrix", "--role", "server", "--control", controlServer)
	return b
}

func (b *bench) file(name, text string) (path string) {
	b.t.Helper()
	path = filepath.Join(b.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		b.t.Fatal(err)
	}
	return path
}

// begin has a program run on a host until the test is over.
func (b *bench) begin(h *netlab.Host, ready func(context.Context, string) error, args ...string) {
	b.t.Helper()
	cmd := h.Command(context.Background(), args[0], args[1:]...)
	p, err := begin(b.t.Context(), cmd.Cmd, cmd.Start, ready)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() {
		p.stop()
		if b.t.Failed() {
			b.t.Logf("%s said:\n%s", filepath.Base(args[0]), p.log.String())
		}
	})
}

// says waits for a program to say something.
func says(text string) func(context.Context, string) error {
	return func(_ context.Context, log string) error {
		if !strings.Contains(log, text) {
			return fmt.Errorf("it has not said %q", text)
		}
		return nil
	}
}

// run runs a program to its end.
func (b *bench) run(h *netlab.Host, args ...string) (stdout, stderr string, status int) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), 3*time.Minute)
	defer cancel()
	var out, messages strings.Builder
	cmd := h.Command(ctx, args[0], args[1:]...)
	cmd.Stdout, cmd.Stderr = &out, &messages
	err := cmd.Run()
	if _, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok || ctx.Err() != nil {
		b.t.Fatalf("%s: %v, %v\n%s", args[0], err, ctx.Err(), messages.String())
	}
	return out.String(), messages.String(), cmd.ProcessState.ExitCode()
}

// client runs the client's side, and gives what it says of each cell in a few words, by the
// end of the cell's name.
func (b *bench) client(status int, args ...string) (*Report, map[string]string) {
	b.t.Helper()
	results, err := os.MkdirTemp(b.dir, "results-")
	if err != nil {
		b.t.Fatal(err)
	}
	args = append([]string{
		built(b.t, "sstplab"), "matrix", "--role", "client", "--control", controlServer,
		"--grid", filepath.Join(b.dir, "grid.yaml"), "--out", results, "--all",
	}, args...)
	stdout, stderr, got := b.run(b.Client, args...)
	if got != status {
		b.t.Errorf("exit status %d, want %d\n%s%s", got, status, stdout, stderr)
	}
	r, err := LoadReport(filepath.Join(results, "report.json"))
	if err != nil {
		b.t.Fatalf("%v\n%s%s", err, stdout, stderr)
	}
	told := map[string]string{}
	for i := range r.Cells {
		c := &r.Cells[i]
		text := c.Status()
		if o := c.Outcome; o == nil {
			text += ": " + c.Reason
		} else if text += ", " + string(o.Result); o.Result != Passed {
			text += " at " + o.Stage + " by " + o.How
		}
		told[strings.TrimPrefix(c.ID, "dut/tls1.3/")] = text
		if _, err := os.Stat(filepath.Join(results, c.Capture)); err != nil || c.Capture == "" {
			b.t.Errorf("%s has no capture: %v", c.ID, err)
		}
	}
	return r, told
}

// expect compares what is said of cells; of two wordings parted by a bar either will do.
func (b *bench) expect(got, want map[string]string) {
	b.t.Helper()
	for id, w := range want {
		if !slices.Contains(strings.Split(w, " | "), got[id]) {
			b.t.Errorf("%s: %q, want %q", id, got[id], w)
		}
	}
	if len(got) != len(want) {
		b.t.Errorf("%d cells, want %d: %v", len(got), len(want), got)
	}
}

// A packet filter that drops by address cuts all that goes there, and nothing of a server
// that has moved.
func TestDeviceAddressFilter(t *testing.T) {
	b := newBench(t, "nft")
	rules := b.file("rules.nft", `table inet boxed {
	set blocked { type ipv4_addr; elements = { `+netlab.Server4+` } }
	chain forward { type filter hook forward priority filter; ip daddr @blocked drop; }
}
`)
	if _, stderr, status := b.run(b.Router, "nft", "-f", rules); status != 0 {
		t.Fatal(stderr)
	}
	// Nothing comes through, so the time of a cell decides nothing but how long it takes.
	r, told := b.client(3, "--peer", netlab.Server4, "--timeout", "2s", "--parallel", "8", "--require", "leaks=0,false-alarms=0")
	b.expect(told, map[string]string{
		"windows-softether/none": "right, cut at tcp by silence",
		"sstpc-softether/none":   "right, cut at tcp by silence",
		"chrome/https-page":      "false-alarm, cut at tcp by silence",
		"chrome/websocket":       "false-alarm, cut at tcp by silence",
		"chrome/grpc-stream":     "false-alarm, cut at tcp by silence",
	})
	if c := r.Counts; c.Leaks != 0 || c.Enforced != 2 || c.FalseAlarms != 3 || c.Errors != 0 {
		t.Errorf("%+v", c)
	}
	cuts := r.Cuts()
	if len(cuts) != 1 || cuts[0].Stage != "tcp" || cuts[0].How != "silence" || cuts[0].Tunnels != 2 || cuts[0].Benign != 3 || cuts[0].Bytes != 0 || cuts[0].Milliseconds == 0 {
		t.Errorf("cuts %+v", cuts)
	}
	if want := "what is on the way to " + netlab.Server4; r.Device != want {
		t.Errorf("device %q, want %q", r.Device, want)
	}
	r, told = b.client(3, "--peer", netlab.Server4b, "--timeout", "1m", "--require", "leaks=0")
	b.expect(told, map[string]string{
		"windows-softether/none": "leak, passed",
		"sstpc-softether/none":   "leak, passed",
		"chrome/https-page":      "right, passed",
		"chrome/websocket":       "right, passed",
		"chrome/grpc-stream":     "right, passed",
	})
	if c := r.Counts; c.Leaks != 2 || c.Benign != 3 || c.Right != 3 {
		t.Errorf("%+v", c)
	}
	b.client(0, "--peer", netlab.Server4b, "--timeout", "1m", "--only", "chrome", "--require", "leaks=0,false-alarms=0,errors=0,skipped=0")
}

// squidConfig is a whole one around our rules. Squid's own user may not write but there.
const squidConfig = `http_port %s
pid_filename none
visible_hostname device
access_log none
cache_log %s
coredump_dir %s
cache_effective_user proxy
cache deny all
pinger_enable off
shutdown_lifetime 0 seconds
include %s
http_access allow all
`

// Squid with the exported rules cuts tunnels that say at the proxy what they are, in any
// spelling, and carries those that do not.
func TestDeviceSquid(t *testing.T) {
	b := newBench(t, "squid")
	text, stderr, status := b.run(b.Router, built(t, "sstpwarden"), "rules", "export", "squid")
	if status != 0 {
		t.Fatal(stderr)
	}
	address := net.JoinHostPort(netlab.Inside4, "3128")
	config := b.file("squid.conf", fmt.Sprintf(squidConfig, address, filepath.Join(b.dir, "squid.log"), b.dir, b.file("sstp.conf", text)))
	// A service name of its own keeps its shared memory apart from others'.
	b.begin(b.Router, func(ctx context.Context, _ string) error {
		c, err := b.Client.Dial(ctx, address, net.Dialer{})
		if err != nil {
			return err
		}
		return c.Close()
	}, "squid", "-N", "-n", fmt.Sprintf("matrix%d", os.Getpid()), "-f", config)

	through := []string{"--peer", netlab.Server4, "--proxy", address, "--timeout", "1m"}
	r, told := b.client(3, append(through, "--require", "leaks=0")...)
	b.expect(told, map[string]string{
		"windows-softether/none":          "right, cut at proxy by refusal",
		"sstpc-softether/none":            "right, cut at proxy by refusal",
		"windows-softether/connect-lower": "right, cut at proxy by refusal",
		"windows-softether/connect-bare":  "leak, passed",
		"chrome/https-page":               "right, passed",
		"chrome/websocket":                "right, passed",
		"chrome/grpc-stream":              "right, passed",
	})
	if c := r.Counts; c.Leaks != 1 || c.Enforced != 4 || c.FalseAlarms != 0 || c.Errors != 0 {
		t.Errorf("%+v", c)
	}
	for i := range r.Cells {
		if c := &r.Cells[i]; c.SSTP && c.Outcome.Result == Cut && !strings.Contains(c.Outcome.Error, "403") {
			t.Errorf("%s: %s", c.ID, c.Outcome.Error)
		}
	}
	b.client(0, append(through, "--require", "leaks=0,false-alarms=0,errors=0,skipped=0", "--only", "none$|lower$|chrome")...)
	b.client(0, append(through, "--require", "leaks=25%")...)
	if cuts := r.Cuts(); len(cuts) != 1 || cuts[0].Tunnels != 3 || cuts[0].Benign != 0 || cuts[0].Bytes == 0 {
		t.Errorf("cuts %+v", cuts)
	}
	if want := "the proxy " + address + ", to " + netlab.Server4; r.Device != want {
		t.Errorf("device %q, want %q", r.Device, want)
	}
}

// Sstpwarden nfq with the policy that it comes with cuts tunnels once they show themselves,
// and lets all else pass.
func TestDeviceSstpwarden(t *testing.T) {
	b := newBench(t)
	b.begin(b.Router, says("inspecting"), built(t, "sstpwarden"), "nfq", "--hook", "forward", "--scope", "interface="+netlab.Inside)
	r, told := b.client(0, "--peer", netlab.Server4, "--timeout", "1m", "--require", "leaks=0,false-alarms=0,errors=0,skipped=0")
	b.expect(told, map[string]string{
		"windows-softether/none": "right, cut at sstp by reset | right, cut at lcp by reset",
		"sstpc-softether/none":   "right, cut at sstp by reset | right, cut at lcp by reset",
		"chrome/https-page":      "right, passed",
		"chrome/websocket":       "right, passed",
		"chrome/grpc-stream":     "right, passed",
	})
	for i := range r.Cells {
		if c := &r.Cells[i]; c.SSTP && (c.Outcome.Carried != 0 || c.Outcome.Up == 0 || c.Outcome.Milliseconds == 0) {
			t.Errorf("%s: %+v", c.ID, c.Outcome)
		}
	}
}
