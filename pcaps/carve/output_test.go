package carve

import (
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"sstpwarden/inspect"
	"sstpwarden/pcaps/capfile"
)

var one = []Tunnel{{
	Key:     inspect.FlowKey{Client: netip.MustParseAddrPort("10.1.2.3:51234"), Server: netip.MustParseAddrPort("198.51.100.7:443")},
	Packets: 1,
}}

// outputOf is an output with one file that waits to be written.
func outputOf(t *testing.T, dir string) *output {
	t.Helper()
	o, err := newOutput(dir, one, &Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := o.files[0].begin(&one[0], o.section); err != nil {
		t.Fatal(err)
	}
	return o
}

// TestFull writes to a disk that is full.
func TestFull(t *testing.T) {
	o := outputOf(t, t.TempDir())
	o.open = func(path string, _ int, _ fs.FileMode) (*os.File, error) {
		if err := os.Symlink("/dev/full", path); err != nil {
			return nil, err
		}
		return os.OpenFile(path, os.O_WRONLY, 0)
	}
	err := o.flush()
	if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), o.path(0)) || !strings.Contains(err.Error(), "make room") ||
		strings.Contains(err.Error(), ".partial") {
		t.Errorf("got %v", err)
	}
}

// TestNotOpened cannot create a file.
func TestNotOpened(t *testing.T) {
	o := outputOf(t, t.TempDir())
	if err := o.remove(); err != nil {
		t.Fatal(err)
	}
	if err := o.flush(); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), o.path(0)) {
		t.Errorf("got %v", err)
	}
}

// TestSecretsTooLong cannot write what stands in front.
func TestSecretsTooLong(t *testing.T) {
	o, err := newOutput(t.TempDir(), []Tunnel{{Secrets: make([]byte, capfile.MaxSecrets)}}, &Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := o.packet(0, &seen{}); err == nil || !strings.Contains(err.Error(), "secrets") {
		t.Errorf("got %v", err)
	}
}

// TestWithoutLinks has a file system that knows no links.
func TestWithoutLinks(t *testing.T) {
	dir := t.TempDir()
	for _, existed := range []bool{false, true} {
		o := outputOf(t, dir)
		o.link = func(string, string) error { return syscall.EPERM }
		if err := o.flush(); err != nil {
			t.Fatal(err)
		}
		files, err := o.publish()
		if err != nil || files[0].Existed != existed || files[0].Path != o.path(0) {
			t.Errorf("got %+v, %v", files, err)
		}
		if err := o.remove(); err != nil {
			t.Error(err)
		}
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("%v, %v", entries, err)
	}
	o := outputOf(t, dir)
	o.link = func(string, string) error { return syscall.EPERM }
	if err := os.WriteFile(o.path(0), []byte("other"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := o.publish(); err == nil { // nothing was written
		t.Error("a file that is not there was published")
	}
	if err := o.flush(); err != nil {
		t.Fatal(err)
	}
	if _, err := o.publish(); !errors.Is(err, ErrExists) {
		t.Errorf("got %v", err)
	}
}

// TestSameBytes compares what can and what cannot be read.
func TestSameBytes(t *testing.T) {
	broken := errors.New("broken")
	long := strings.Repeat("x", 1<<17)
	for _, test := range []struct {
		a, b string
		err  error // after b
		same bool
	}{
		{"", "", nil, true},
		{long, long, nil, true},
		{long, long + "x", nil, false},
		{long, long[1:] + "y", nil, false},
		{"a", "a", broken, false},
	} {
		b := &reader{strings.NewReader(test.b), test.err}
		if same, err := sameBytes(strings.NewReader(test.a), b); same != test.same || !errors.Is(err, test.err) {
			t.Errorf("%d and %d bytes: %v, %v", len(test.a), len(test.b), same, err)
		}
	}
}

// A reader fails at its end.
type reader struct {
	*strings.Reader
	err error
}

func (r *reader) Read(b []byte) (int, error) {
	n, err := r.Reader.Read(b)
	if err != nil && r.err != nil {
		err = r.err
	}
	return n, err
}

func TestNames(t *testing.T) {
	for _, test := range []struct {
		end  netip.AddrPort
		want string
	}{
		{netip.AddrPort{}, "unknown"},
		{netip.MustParseAddrPort("10.1.2.3:1"), "10.1.2.3-1"},
		{netip.MustParseAddrPort("[::ffff:10.1.2.3]:1"), "10.1.2.3-1"},
		{netip.MustParseAddrPort("[2001:db8::]:443"), "2001-db8---443"},
		{netip.AddrPortFrom(netip.MustParseAddr("fe80::1").WithZone("/../e"), 2), "fe80--1-2"},
	} {
		if got := nameOf(test.end); got != test.want {
			t.Errorf("%v is %q, want %q", test.end, got, test.want)
		}
	}
	first, second := Tunnel{FirstPacket: 1}, Tunnel{FirstPacket: 2}
	if first.name("a") == second.name("a") || first.name("a") == first.name("b") || filepath.Base(first.name("/../")) != first.name("/../") {
		t.Error("names are not told apart")
	}
}

// TestRemoveFails tells what is left.
func TestRemoveFails(t *testing.T) {
	o := outputOf(t, t.TempDir())
	o.partial = "\x00"
	if err := o.remove(); err == nil || !strings.Contains(err.Error(), "it holds packets") {
		t.Errorf("got %v", err)
	}
}
