package labtest

import (
	"context"
	"os"
	"os/exec"
	"runtime"

	"golang.org/x/sys/unix"

	"sstpwarden/pcaps/netlab"
)

// A Program is one on a host of a lab. Of the methods of exec.Cmd, Start and Run are to
// be used to start it.
type Program struct {
	*exec.Cmd
	host   *netlab.Host
	mounts *os.File
}

// Command is exec.CommandContext on a host of the lab.
func (l *Lab) Command(ctx context.Context, h *netlab.Host, args ...string) *Program {
	return &Program{exec.CommandContext(ctx, args[0], args[1:]...), h, l.mounts}
}

// Start is that of exec.Cmd.
func (p *Program) Start() error {
	return p.host.Do(func() error { // on a thread that ends with it
		if err := unix.Unshare(unix.CLONE_FS); err != nil {
			return os.NewSyscallError("unshare", err)
		}
		if err := unix.Setns(int(p.mounts.Fd()), unix.CLONE_NEWNS); err != nil {
			return os.NewSyscallError("setns", err)
		}
		return p.Cmd.Start()
	})
}

// Run is that of exec.Cmd.
func (p *Program) Run() error {
	if err := p.Start(); err != nil {
		return err
	}
	return p.Wait()
}

// newMounts makes a mount namespace that has one file in the place of another. It
// lasts until it is closed, and no program runs there.
func newMounts(file, place string) (mounts *os.File, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // for good: the thread ends with the goroutine
		if err = os.NewSyscallError("unshare", unix.Unshare(unix.CLONE_NEWNS)); err != nil {
			return
		}
		if err = os.NewSyscallError("mount", unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")); err != nil {
			return
		}
		if err = os.NewSyscallError("mount", unix.Mount(file, place, "", unix.MS_BIND, "")); err != nil {
			return
		}
		mounts, err = os.Open("/proc/thread-self/ns/mnt")
	}()
	<-done
	return mounts, err
}
