//go:build interop

package interop

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A process runs in a namespace until it ends, is told to, or the test is over.
// What it prints goes to a log.
type process struct {
	t    *testing.T
	name string
	log  string
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
}

// start starts a program and calls it by that name.
func (n *namespace) start(name string, args ...string) *process {
	n.lab.t.Helper()
	return n.startEnv(name, nil, args...)
}

// startEnv starts a program with additions to the environment.
func (n *namespace) startEnv(name string, env []string, args ...string) *process {
	t := n.lab.t
	t.Helper()
	p := &process{t: t, name: name, log: filepath.Join(n.lab.dir, name+".log"), done: make(chan struct{})}
	out, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	p.cmd = n.command(context.Background(), args...)
	p.cmd.Stdout, p.cmd.Stderr = out, out
	p.cmd.Env = append(os.Environ(), append([]string{roleVariable + "="}, env...)...)
	err = p.cmd.Start()
	out.Close() // the process has its own
	if err != nil {
		t.Fatalf("starting %s: %v", name, err)
	}
	go func() {
		_ = p.cmd.Wait() // ProcessState says it all
		close(p.done)
	}()
	t.Cleanup(func() {
		p.signal(syscall.SIGTERM)
		select {
		case <-p.done:
		case <-time.After(5 * time.Second):
			p.signal(syscall.SIGKILL)
			<-p.done
		}
	})
	return p
}

func (p *process) signal(s syscall.Signal) {
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.t.Errorf("sending %v to %s: %v", s, p.name, err)
	}
}

// wait waits for the end and returns the exit status, -1 after a signal.
func (p *process) wait() int {
	p.t.Helper()
	select {
	case <-p.done:
	case <-time.After(patience):
		p.t.Fatalf("%s runs on after %v", p.name, patience)
	}
	return p.cmd.ProcessState.ExitCode()
}

// waitFor waits until the log has that text.
func (p *process) waitFor(text string) {
	p.t.Helper()
	waitForText(p.t, p.log, text, p.done)
}

// waitForText waits until the file has that text. It is no use to wait once ended
// is closed.
func waitForText(t *testing.T, file, text string, ended <-chan struct{}) {
	t.Helper()
	has := func() bool {
		b, err := os.ReadFile(file)
		return err == nil && bytes.Contains(b, []byte(text))
	}
	deadline := time.Now().Add(patience)
	for !has() {
		select {
		case <-ended:
			if !has() {
				t.Fatalf("%s: the program ended without a word of %q", filepath.Base(file), text)
			}
			return
		case <-time.After(50 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: no %q in %v", filepath.Base(file), text, patience)
		}
	}
}

// printLogs prints the ends of all logs.
func (l *lab) printLogs() {
	const most = 60
	files, err := filepath.Glob(filepath.Join(l.dir, "*.log"))
	if err != nil {
		l.t.Error(err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			l.t.Error(err)
		}
		text := strings.ReplaceAll(string(b), "\x00", "") // sstpc ends its lines with them
		lines := strings.Split(strings.TrimSpace(text), "\n")
		lines = lines[max(0, len(lines)-most):]
		l.t.Logf("the end of %s:\n%s", filepath.Base(f), strings.Join(lines, "\n"))
	}
}
