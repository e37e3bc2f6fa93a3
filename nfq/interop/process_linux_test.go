package interop

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"sstpwarden/pcaps/netlab"
)

// A process is a program that runs until it ends, is told to, or the test is over.
// What it prints goes to a log.
type process struct {
	t    *testing.T
	name string
	log  string
	cmd  *netlab.Cmd
	done chan struct{} // closed when it has ended
}

// start starts a program and calls it by that name.
func (l *lab) start(h *netlab.Host, name string, args ...string) *process {
	l.t.Helper()
	p := &process{t: l.t, name: name, log: filepath.Join(l.dir, name+".log"), done: make(chan struct{})}
	out, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		l.t.Fatal(err)
	}
	p.cmd = h.Command(context.Background(), args[0], args[1:]...)
	p.cmd.Stdout, p.cmd.Stderr = out, out
	err = p.cmd.Start()
	_ = out.Close() // the process has its own
	if err != nil {
		l.t.Fatalf("starting %s: %v", name, err)
	}
	go func() {
		_ = p.cmd.Wait() // ProcessState says it all
		close(p.done)
	}()
	l.t.Cleanup(func() {
		p.signal(syscall.SIGTERM)
		select {
		case <-p.done:
		case <-time.After(patience):
			l.t.Errorf("%s runs on after SIGTERM", name)
			p.signal(syscall.SIGKILL)
			<-p.done
		}
		if l.t.Failed() && strings.HasPrefix(name, "sstpwarden") {
			l.t.Logf("the end of the log of %s:\n%s", name, tail(p.text()))
		}
	})
	return p
}

func (p *process) pid() int { return p.cmd.Process.Pid }

func (p *process) signal(s syscall.Signal) {
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.t.Errorf("sending %v to %s: %v", s, p.name, err)
	}
}

// wait waits for the end and gives the exit status, -1 after a signal.
func (p *process) wait() int {
	p.t.Helper()
	select {
	case <-p.done:
	case <-time.After(patience):
		p.t.Fatalf("%s runs on after %v", p.name, patience)
	}
	return p.cmd.ProcessState.ExitCode()
}

func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// text is the log so far.
func (p *process) text() string {
	b, err := os.ReadFile(p.log)
	if err != nil {
		p.t.Error(err)
	}
	return string(b)
}

// waitFor waits until the log has that text.
func (p *process) waitFor(text string) {
	p.t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		over := p.ended()
		if strings.Contains(p.text(), text) {
			return
		}
		if over || time.Now().After(deadline) {
			p.t.Fatalf("%s: no word of %q:\n%s", p.name, text, tail(p.text()))
		}
	}
}
