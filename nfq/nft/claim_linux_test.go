package nft

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
	"kernel.org/pub/linux/libs/security/libcap/cap"
)

const someTable = "sstpwarden_test"

// claimOptions are what a child does that claims a table.
type claimOptions struct {
	User  int         // as which it runs, 0 for root
	Keeps []cap.Value // as another user
	Own   bool        // in a user namespace of its own
}

func (o *claimOptions) attributes() *syscall.SysProcAttr {
	if !o.Own {
		return nil
	}
	root := []syscall.SysProcIDMap{{ContainerID: 0, HostID: nobody, Size: 1}}
	return &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWUSER, UidMappings: root, GidMappings: root,
		Credential: &syscall.Credential{Uid: 0, Gid: 0, NoSetGroups: true},
	}
}

// nobody is a user who is not root.
const nobody = 65534

// claimingChild claims the table, says so, and keeps it until its input ends.
func claimingChild(o claimOptions) error {
	if o.User != 0 {
		if err := cap.SetUID(o.User); err != nil {
			return err
		}
		kept := cap.NewSet()
		for _, f := range []cap.Flag{cap.Permitted, cap.Effective} {
			if err := kept.SetFlag(f, true, o.Keeps...); err != nil {
				return err
			}
		}
		if err := kept.SetProc(); err != nil {
			return err
		}
	}
	c, err := ClaimTable(someTable)
	if err != nil {
		return err
	}
	fmt.Println("ready", c.Warning())
	_, _ = os.Stdin.Read(make([]byte, 1))
	return c.Close()
}

func (h *host) claim(name string) (*Claim, error) {
	h.t.Helper()
	var c *Claim
	err := h.try(func() (err error) {
		c, err = ClaimTable(name)
		return err
	})
	if err == nil {
		h.t.Cleanup(func() { _ = c.Close() })
	}
	return c, err
}

// wantClaimed checks that the claim was made and holds.
func wantClaimed(t *testing.T, c *Claim, err error) {
	t.Helper()
	if err != nil || c.Warning() != nil {
		t.Fatalf("claimed: %v, warning %v", err, c.Warning())
	}
}

func TestClaim(t *testing.T) {
	h, other := newHost(t), newHost(t)
	c, err := h.claim(someTable)
	wantClaimed(t, c, err)
	_, err = h.claim(someTable)
	claimed, ok := errors.AsType[*ClaimedError](err)
	if !ok || !errors.Is(err, ErrInUse) || claimed.PID != os.Getpid() || claimed.UID != 0 || claimed.Table != someTable {
		t.Errorf("a second claim: %v", err)
	}
	if want := fmt.Sprintf("kill %d", os.Getpid()); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%v does not say %s", err, want)
	}
	for _, free := range []struct {
		host  *host
		table string
	}{{h, someTable + "2"}, {other, someTable}} {
		c, err := free.host.claim(free.table)
		wantClaimed(t, c, err)
	}
	if err := errors.Join(c.Close(), c.Close()); err != nil {
		t.Error(err)
	}
	c, err = h.claim(someTable)
	wantClaimed(t, c, err)
}

// Whoever may change tables keeps a claim as long as it lives, and nobody else keeps others
// from one.
func TestClaimOfAnother(t *testing.T) {
	for _, x := range []struct {
		name    string
		options claimOptions
		genuine bool
	}{
		{"root", claimOptions{}, true},
		{"an administrator of networks", claimOptions{User: nobody, Keeps: []cap.Value{cap.NET_ADMIN}}, true},
		{"a user", claimOptions{User: nobody}, false},
		{"a user with another capability", claimOptions{User: nobody, Keeps: []cap.Value{cap.NET_BIND_SERVICE}}, false},
		{"a user in a namespace of their own", claimOptions{Own: true}, false},
	} {
		t.Run(x.name, func(t *testing.T) {
			h := newHost(t)
			p := h.start(childOptions{Claim: &x.options})
			if got := p.line(); got != "ready <nil>" {
				t.Fatal(got)
			}
			c, err := h.claim(someTable)
			claimed, ok := errors.AsType[*ClaimedError](err)
			pid := fmt.Sprintf("process %d (", p.Process.Pid)
			switch {
			case x.genuine && (!ok || claimed.PID != p.Process.Pid || !strings.Contains(err.Error(), pid)):
				t.Errorf("the claim of process %d is not respected: %v", p.Process.Pid, err)
			case !x.genuine && (err != nil || c.Warning() == nil || !strings.Contains(c.Warning().Error(), pid)):
				t.Errorf("process %d keeps others from the table: %v, %v", p.Process.Pid, c, err)
			}
			p.kill()
			c, err = h.claim(someTable)
			wantClaimed(t, c, err)
		})
	}
}

// A name that is bound, but by nobody who says so, keeps nobody from the table.
func TestClaimOfNobody(t *testing.T) {
	h := newHost(t)
	h.do(func() error {
		fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		t.Cleanup(func() { _ = unix.Close(fd) })
		return unix.Bind(fd, &unix.SockaddrUnix{Name: "@sstpwarden/table/" + someTable})
	})
	c, err := h.claim(someTable)
	if err != nil || !errors.Is(c.Warning(), unix.ECONNREFUSED) {
		t.Errorf("%v, %v", c, err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

// What is claimed is not removed, and what a process leaves that is gone is.
func TestTeardownOfClaimed(t *testing.T) {
	h := newHost(t)
	h.inspect(InspectOptions{})
	h.setup(ProxyOptions{Mode: TPROXY, Port: proxyPort})
	before := len(h.dumpAll())
	for _, name := range []string{InspectTableName, ProxyTableName} {
		c, err := h.claim(name)
		wantClaimed(t, c, err)
		defer c.Close()
	}
	for name, err := range map[string]error{
		InspectTableName: func() error { _, err := h.teardownInspect(); return err }(),
		ProxyTableName:   func() error { _, err := h.teardown(); return err }(),
	} {
		claimed, ok := errors.AsType[*ClaimedError](err)
		if !ok || claimed.Table != name || claimed.Error() != err.Error() {
			t.Errorf("removing table %s: %v", name, err)
		}
	}
	if after := len(h.dumpAll()); after != before {
		t.Errorf("of %d things %d are left", before, after)
	}
}
