//go:build interop

package interop

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// roleVariable tells a run of this binary what it is: nothing for the run that
// go test starts, which boots the guest.
const (
	roleVariable = "INTEROP_ROLE"
	roleGuest    = "guest" // runs the tests
	roleWeb      = "web"   // is the office's web server
)

// stockPrefix begins the names of the tests that run on Debian's own kernel; the
// others run on User-Mode Linux, which is faster.
const stockPrefix = "TestStock"

// slowVariable, if it is set, tells a run of this binary that it is on the slow machine.
const slowVariable = "INTEROP_SLOW"

// guestDir is where the guest finds this binary, the programs, and the place for logs.
const guestDir = "/out"

func TestMain(m *testing.M) {
	flag.Parse()
	switch role := os.Getenv(roleVariable); {
	case role == roleWeb:
		fmt.Fprintln(os.Stderr, serveWeb(flag.Arg(0)))
		os.Exit(1)
	case role == roleGuest && os.Getenv(slowVariable) != "":
		patience *= 4
		os.Exit(m.Run())
	case role == roleGuest, flag.Lookup("test.list").Value.String() != "":
		os.Exit(m.Run())
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	status, err := runGuest(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "interop:", err)
		status = 1
	}
	os.Exit(status)
}

// runGuest runs this binary in the guests and returns its exit status.
func runGuest(ctx context.Context) (int, error) {
	if os.Geteuid() != 0 {
		return 0, errors.New("these tests need root: they mount, install packages and make network namespaces in their guest")
	}
	if err := install(ctx); err != nil {
		return 0, err
	}
	dir, err := prepare(ctx)
	if err != nil {
		return 0, err
	}
	args, limit := guestArgs(os.Args[1:])
	if limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	names, err := testsAskedFor(ctx)
	if err != nil {
		return 0, err
	}
	status, err := runGuests(ctx, dir, args, names)
	if err == nil && status == 0 && os.Getenv("INTEROP_KEEP") == "" {
		return 0, os.RemoveAll(dir)
	}
	fmt.Fprintf(os.Stderr, "interop: logs, captures and secrets are in %s\n", dir)
	return status, err
}

// testsAskedFor asks this binary for the names of its tests that are to run.
func testsAskedFor(ctx context.Context) ([]string, error) {
	pattern := flag.Lookup("test.run").Value.String()
	if top, _, nested := strings.Cut(pattern, "/"); nested {
		pattern = top
	}
	if pattern == "" {
		pattern = "."
	}
	out, err := exec.CommandContext(ctx, os.Args[0], "-test.list="+pattern).Output()
	if err != nil {
		return nil, fmt.Errorf("listing the tests: %w", err)
	}
	return strings.Fields(string(out)), nil
}

// prepare makes the folder that the guest shares and puts the binaries there.
func prepare(ctx context.Context) (dir string, err error) {
	runs, err := filepath.Abs("../../bin/interop")
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(runs, 0o755); err != nil {
		return "", err
	}
	if dir, err = os.MkdirTemp(runs, time.Now().Format("0102-150405-")); err != nil {
		return "", err
	}
	// Programs that run as a user of their own look into it, too.
	if err := os.Chmod(dir, 0o755); err != nil {
		return "", err
	}
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	if err := copyFile(filepath.Join(dir, "interop.test"), self); err != nil {
		return "", err
	}
	for _, program := range []struct{ name, ready string }{
		{"sstplab", os.Getenv("SSTPLAB")}, {"sstpwarden", os.Getenv("SSTPWARDEN")},
	} {
		built := filepath.Join(dir, program.name)
		if program.ready != "" {
			if err := copyFile(built, program.ready); err != nil {
				return "", err
			}
			continue
		}
		cmd := exec.CommandContext(ctx, "go", "build", "-o", built, "sstpwarden/cmd/"+program.name)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			return "", fmt.Errorf("building %s: %w\n%s", program.name, err, out)
		}
	}
	return dir, nil
}

// guestArgs makes the guest's flags of ours, and says how long it may run.
// Files that go test wants written lie where the guest cannot write, and its
// time is shorter, so that it can say where it hung.
func guestArgs(ours []string) (args []string, limit time.Duration) {
	for _, a := range ours {
		switch name, value, _ := strings.Cut(strings.TrimLeft(a, "-"), "="); name {
		case "test.testlogfile", "test.outputdir", "test.gocoverdir", "test.coverprofile", "test.cpuprofile", "test.memprofile", "test.trace":
			continue
		case "test.timeout":
			d, err := time.ParseDuration(value)
			if err != nil || d < time.Minute {
				break
			}
			limit = d - 10*time.Second
			a = "-test.timeout=" + (d - 30*time.Second).String()
		}
		args = append(args, "'"+strings.ReplaceAll(a, "'", `'\''`)+"'")
	}
	return args, limit
}

func copyFile(to, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}
