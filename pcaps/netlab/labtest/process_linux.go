package labtest

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"sstpwarden/pcaps/netlab"
)

// A Process is a program that runs until it ends, is told to, or the test is over. What
// it prints goes to a log, whose end is shown where the test fails.
type Process struct {
	T    *testing.T
	name string
	log  string
	cmd  *Program
	done chan struct{} // closed when it has ended
}

// Start starts a program and calls it by that name.
func (l *Lab) Start(h *netlab.Host, name string, args ...string) *Process {
	l.T.Helper()
	p := &Process{T: l.T, name: name, log: filepath.Join(l.Dir, name+".log"), done: make(chan struct{})}
	out, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		l.T.Fatal(err)
	}
	p.cmd = l.Command(context.Background(), h, args...)
	p.cmd.Stdout, p.cmd.Stderr = out, out
	err = p.cmd.Start()
	_ = out.Close() // the process has its own
	if err != nil {
		l.T.Fatalf("starting %s: %v", name, err)
	}
	go func() {
		_ = p.cmd.Wait() // ProcessState says it all
		close(p.done)
	}()
	l.T.Cleanup(func() {
		p.Signal(syscall.SIGTERM)
		select {
		case <-p.done:
		case <-time.After(Patience):
			l.T.Errorf("%s runs on after SIGTERM", name)
			p.Signal(syscall.SIGKILL)
			<-p.done
		}
		if l.T.Failed() {
			l.T.Logf("the end of the log of %s:\n%s", name, Tail(p.Text()))
		}
	})
	return p
}

// Pid is its process id.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Signal sends a signal; none to a process that has ended.
func (p *Process) Signal(s syscall.Signal) {
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.T.Errorf("sending %v to %s: %v", s, p.name, err)
	}
}

// Wait waits for the end and gives the exit status, -1 after a signal.
func (p *Process) Wait() int {
	p.T.Helper()
	select {
	case <-p.done:
	case <-time.After(Patience):
		p.T.Fatalf("%s runs on after %v", p.name, Patience)
	}
	return p.cmd.ProcessState.ExitCode()
}

// Ended says whether it has.
func (p *Process) Ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// Text is the log so far.
func (p *Process) Text() string {
	b, err := os.ReadFile(p.log)
	if err != nil {
		p.T.Error(err)
	}
	return string(bytes.ReplaceAll(b, []byte{0}, nil)) // sstpc ends its lines with them
}

// WaitFor waits until the log has that text.
func (p *Process) WaitFor(text string) {
	p.T.Helper()
	for deadline := time.Now().Add(Patience); ; time.Sleep(10 * time.Millisecond) {
		over := p.Ended()
		if bytes.Contains([]byte(p.Text()), []byte(text)) {
			return
		}
		if over || time.Now().After(deadline) {
			p.T.Fatalf("%s: no word of %q:\n%s", p.name, text, Tail(p.Text()))
		}
	}
}
