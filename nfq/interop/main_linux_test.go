package interop

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"
)

// What TestMain makes, for all tests.
var (
	sstpwarden, sstplab string // the built programs
	shared              *pki   // of all servers
)

func TestMain(m *testing.M) {
	flag.Parse()
	status, err := prepare(m.Run)
	if err != nil {
		fmt.Fprintln(os.Stderr, "interop:", err)
		status = 1
	}
	os.Exit(status)
}

// prepare builds the programs and runs the tests.
func prepare(run func() int) (status int, err error) {
	if os.Geteuid() != 0 {
		return run(), nil // which skip
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	dir, err := os.MkdirTemp("", "interop")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	programs := os.Getenv("INTEROP_PROGRAMS")
	if programs == "" {
		programs = dir
		cmd := exec.CommandContext(ctx, "go", "build", "-o", dir, "sstpwarden/cmd/sstpwarden", "sstpwarden/cmd/sstplab")
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			return 0, fmt.Errorf("building the programs: %w\n%s", err, out)
		}
	}
	sstpwarden, sstplab = filepath.Join(programs, "sstpwarden"), filepath.Join(programs, "sstplab")
	if shared, err = newPKI(dir); err != nil {
		return 0, err
	}
	return run(), nil
}

// need skips the test where these programs, or root, are missing. In CI they must
// be there.
func need(t *testing.T, programs ...string) {
	t.Helper()
	missing := ""
	if os.Geteuid() != 0 {
		missing = "root"
	}
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil && missing == "" {
			missing = p
		}
	}
	switch {
	case missing == "":
	case os.Getenv("CI") != "":
		t.Fatalf("%s is needed and missing; the package comment names Debian's packages", missing)
	default:
		t.Skipf("%s is missing", missing)
	}
}
