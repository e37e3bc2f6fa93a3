package daemon

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A manager is systemd as far as a service can tell.
type manager struct {
	mu     sync.Mutex
	states []string
}

// listenAsManager takes what the process tells systemd.
func listenAsManager(t *testing.T) *manager {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	m := &manager{}
	done := make(chan struct{})
	go func() {
		defer close(done)
		b := make([]byte, 4096)
		for {
			n, err := conn.Read(b)
			if err != nil {
				return
			}
			m.mu.Lock()
			m.states = append(m.states, strings.Split(string(b[:n]), "\n")...)
			m.mu.Unlock()
		}
	}()
	t.Cleanup(func() { conn.Close(); <-done })
	t.Setenv("NOTIFY_SOCKET", path)
	return m
}

func (m *manager) told(prefix string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := 0
	for _, s := range m.states {
		if strings.HasPrefix(s, prefix) {
			n++
		}
	}
	return n
}

func TestNotify(t *testing.T) {
	m := listenAsManager(t)
	cfg := Default()
	cfg.DryRun = true
	r := start(t, cfg)
	eventually(t, "ready", func() bool { return m.told("READY=1") == 1 })
	if err := r.Reload(t.Context(), "test"); err != nil {
		t.Fatal(err)
	}
	if err := r.end(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "stopping", func() bool { return m.told("STOPPING=1") == 1 })
	m.mu.Lock()
	defer m.mu.Unlock()
	var words []string
	for _, s := range m.states {
		if strings.HasPrefix(s, "STATUS=Policies ") && strings.HasSuffix(s, ", dry run") {
			s = "STATUS"
		}
		words = append(words, s)
	}
	want := []string{"READY=1", "STATUS", "RELOADING=1", "READY=1", "STATUS", "STOPPING=1"}
	if !slices.Equal(words, want) {
		t.Errorf("told %q, want %q", m.states, want)
	}
}

func TestNotifyFails(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", filepath.Join(t.TempDir(), "none"))
	r := start(t, Default())
	eventually(t, "a warning", func() bool { return logged(r.log, "level=WARN", "systemd could not be told") })
}

// TestWatchdog feeds it while the service lives, not when a check fails, and not
// when one is stuck.
func TestWatchdog(t *testing.T) {
	m := listenAsManager(t)
	t.Setenv("WATCHDOG_USEC", strconv.FormatInt((60*time.Millisecond).Microseconds(), 10))
	t.Setenv("WATCHDOG_PID", strconv.Itoa(os.Getpid()))
	var fails atomic.Bool
	stuck := make(chan struct{})
	release := sync.OnceFunc(func() { close(stuck) })
	defer release()
	var hangs atomic.Bool
	r := start(t, Default(), func(d *Daemon) {
		d.AddLive("loop", func() error {
			if fails.Load() {
				return errors.New("no accept returned")
			}
			if hangs.Load() {
				<-stuck
			}
			return nil
		})
	})
	fed := func() {
		t.Helper()
		before := m.told("WATCHDOG=1")
		eventually(t, "food", func() bool { return m.told("WATCHDOG=1") > before+1 })
	}
	fed()
	fails.Store(true)
	eventually(t, "an error", func() bool {
		return logged(r.log, "level=ERROR", "the watchdog is not fed", "check=loop", "no accept returned")
	})
	fails.Store(false)
	fed()
	hangs.Store(true)
	eventually(t, "an error", func() bool { return logged(r.log, "check=loop", errStuck.Error()) })
	before := m.told("WATCHDOG=1")
	hangs.Store(false)
	release()
	eventually(t, "food", func() bool { return m.told("WATCHDOG=1") > before })
}

func TestWatchdogOfAnother(t *testing.T) {
	t.Setenv("WATCHDOG_USEC", "soon")
	r := start(t, Default())
	eventually(t, "a warning", func() bool { return logged(r.log, "level=WARN", "systemd's settings cannot be read") })
}

// unitsIn writes the units to a folder, for a program that is there.
func unitsIn(t *testing.T, transparent bool) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for _, u := range unitFiles {
		text, err := Unit(u.name, "/bin/true", "/etc/sstpwarden.yaml")
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, u.file)
		if u.name == "transparent" {
			if !transparent {
				continue
			}
			path = filepath.Join(dir, "sstpwarden-proxy.service.d", u.file)
			if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
		}
		write(t, path, text)
	}
	return dir
}

// TestUnits has systemd look them over, and say how exposed the service is.
func TestUnits(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		lacking(t, "systemd-analyze is not installed (Debian: systemd)")
	}
	for _, c := range []struct {
		service     string
		transparent bool
		others      []string
	}{
		{"sstpwarden-proxy.service", false, []string{"sstpwarden-proxy.socket"}},
		{"sstpwarden-proxy.service", true, []string{"sstpwarden-proxy.socket"}},
		{"sstpwarden-nfq.service", false, nil},
	} {
		dir := unitsIn(t, c.transparent)
		service := filepath.Join(dir, c.service)
		args := []string{"--man=no", "verify", service} // man pages need not be installed where tests run
		for _, other := range c.others {
			args = append(args, filepath.Join(dir, other))
		}
		out, err := exec.CommandContext(t.Context(), analyze, args...).CombinedOutput()
		if err != nil || len(out) > 0 {
			t.Errorf("%v\n%s", err, out)
		}
		out, err = exec.CommandContext(t.Context(), analyze, "security", "--offline=true", "--no-pager", service).CombinedOutput()
		m := regexp.MustCompile(`exposure level for \S+: (\d+\.\d)`).FindSubmatch(out)
		if err != nil || m == nil {
			t.Errorf("%v\n%s", err, out)
			continue
		}
		if score, err := strconv.ParseFloat(string(m[1]), 64); err != nil || score > 2 {
			t.Errorf("%s: exposure %s (transparent: %v), want 2.0 at most", c.service, m[1], c.transparent)
		}
	}
}

func TestUnitTexts(t *testing.T) {
	if got := Units(); !slices.Equal(got, []string{"service", "socket", "transparent", "nfq"}) {
		t.Error(got)
	}
	plain, err := Unit("service", "", "")
	if err != nil || !strings.Contains(plain, "\nExecStart=/usr/local/bin/sstpwarden proxy --config /etc/sstpwarden/sstpwarden.yaml\n") {
		t.Errorf("%v: %s", err, plain)
	}
	for _, bad := range []string{"relative", "/with space", "/percent%n", "/a\nExecStartPre=/bin/sh", "/$HOME"} {
		if text, err := Unit("service", bad, ""); err == nil {
			t.Errorf("%q: %s", bad, text)
		}
		if text, err := Unit("service", "", bad); err == nil {
			t.Errorf("%q: %s", bad, text)
		}
	}
}
