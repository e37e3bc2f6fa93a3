package matrix

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	// startPatience is how long sstpwarden may take until it serves, and stopPatience
	// to end once told to.
	startPatience = 30 * time.Second
	stopPatience  = 10 * time.Second
)

// FindSstpwarden returns the program that enforces: the one named, one beside this
// program, or that of PATH.
func FindSstpwarden(named string) (string, error) {
	if named != "" {
		return exec.LookPath(named)
	}
	if self, err := os.Executable(); err == nil {
		if beside, err := exec.LookPath(filepath.Join(filepath.Dir(self), "sstpwarden")); err == nil {
			return beside, nil
		}
	}
	return exec.LookPath("sstpwarden")
}

// A program is one that runs beside the matrix.
type program struct {
	cmd   *exec.Cmd
	ended chan struct{}
	err   error // once ended
	log   tail
}

// tail keeps the end of what a program says.
type tail struct {
	mu   sync.Mutex
	text []byte
}

func (t *tail) Write(b []byte) (int, error) {
	const most = 4 << 10
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, b...)
	if len(t.text) > most {
		t.text = append(t.text[:0], t.text[len(t.text)-most:]...)
	}
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(string(t.text))
}

// begin runs a command that start starts, until it serves as ready says.
func begin(ctx context.Context, cmd *exec.Cmd, start func() error, ready func(ctx context.Context, log string) error) (*program, error) {
	p := &program{cmd: cmd, ended: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = &p.log, &p.log
	cmd.WaitDelay = stopPatience
	if err := start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", cmd.Path, err)
	}
	go func() {
		p.err = cmd.Wait()
		close(p.ended)
	}()
	ctx, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	for {
		err := ready(ctx, p.log.String())
		if err == nil {
			return p, nil
		}
		select {
		case <-p.ended:
			return nil, fmt.Errorf("starting %s: it ended: %w\n%s", cmd.Path, errors.Join(p.err, err), p.log.String())
		case <-ctx.Done():
			p.stop()
			return nil, fmt.Errorf("starting %s: it does not serve: %w\n%s", cmd.Path, err, p.log.String())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// stop ends the program in good order, or at once if it takes too long.
func (p *program) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // an error says that it has ended
	select {
	case <-p.ended:
	case <-time.After(stopPatience):
		_ = p.cmd.Process.Kill() // likewise
		<-p.ended
	}
}

// A wardenPath is an explicit proxy that sstpwarden is.
type wardenPath struct {
	directPath
	program *program
	addr    string
	dir     string
}

func (w *wardenPath) proxy() string { return w.addr }

func (w *wardenPath) close() error {
	w.program.stop()
	return os.RemoveAll(w.dir)
}

// wardenConfig is as shipped, but that peers on the loopback may be reached and one
// client may have all the connections.
const wardenConfig = `
proxy:
  listen: [%q]
  destinations:
    allow: [127.0.0.0/8]
  limits:
    connections: 65536
    per_client: 65536
`

// wardenOpening follows it where TLS is to be opened.
const wardenOpening = `
  intercept:
    ca: %q
    roots: %q
policy:
  dir: %q
`

// openingPolicy opens what is not known to be SSTP.
const openingPolicy = `package sstp

# METADATA
# description: Drops SSTP and opens all else.
# entrypoint: true
decision := {"action": "drop", "rule": "matrix.sstp", "reason": "SSTP."} if tunnel

decision := {"action": "allow", "rule": "matrix.open", "reason": "Not SSTP.", "intercept": true} if not tunnel

tunnel if input.detection.verdict in {"suspected", "confirmed"}
`

func openExplicit(ctx context.Context, o *Options, l *Lab) (route, error) {
	return openWarden(ctx, o, l, false)
}

func openOpened(ctx context.Context, o *Options, l *Lab) (route, error) {
	return openWarden(ctx, o, l, true)
}

func openWarden(ctx context.Context, o *Options, l *Lab, opens bool) (_ route, err error) {
	warden, err := FindSstpwarden(o.Sstpwarden)
	if err != nil {
		return nil, &skipError{"no sstpwarden: name it with --sstpwarden PATH"}
	}
	w := &wardenPath{}
	if w.addr, err = freeAddress(ctx); err != nil {
		return nil, err
	}
	if w.dir, err = os.MkdirTemp("", "sstplab-matrix-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(w.dir))
		}
	}()
	config := fmt.Sprintf(wardenConfig, w.addr)
	if opens {
		authority, roots, policy, err := l.opening(ctx, warden, w.dir)
		if err != nil {
			return nil, err
		}
		config += fmt.Sprintf(wardenOpening, authority, roots, policy)
	}
	file := filepath.Join(w.dir, "sstpwarden.yaml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		return nil, err
	}
	cmd := exec.Command(warden, "proxy", "--config", file)
	w.program, err = begin(ctx, cmd, cmd.Start, func(ctx context.Context, _ string) error {
		c, err := new(net.Dialer).DialContext(ctx, "tcp", w.addr)
		if err != nil {
			return err
		}
		return c.Close()
	})
	return w, err
}

// opening makes what a proxy that opens TLS needs: an authority, the far ends'
// certificate to trust, and a policy.
func (l *Lab) opening(ctx context.Context, warden, dir string) (authority, roots, policy string, err error) {
	authority, roots, policy = filepath.Join(dir, "ca"), filepath.Join(dir, "roots.pem"), filepath.Join(dir, "policy")
	if out, err := exec.CommandContext(ctx, warden, "ca", "init", "--dir", authority).CombinedOutput(); err != nil {
		return "", "", "", fmt.Errorf("running sstpwarden ca init: %w: %s", err, strings.TrimSpace(string(out)))
	}
	if err := os.Mkdir(policy, 0o700); err != nil {
		return "", "", "", err
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: l.certificate.Certificate[0]})
	return authority, roots, policy, errors.Join(
		os.WriteFile(roots, text, 0o600),
		os.WriteFile(filepath.Join(policy, "open.rego"), []byte(openingPolicy), 0o600))
}

// freeAddress is one that nobody listens on now.
func freeAddress(ctx context.Context) (string, error) {
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return ln.Addr().String(), ln.Close()
}
