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
	"runtime"
	"strconv"
	"syscall"
	"testing"

	"go.uber.org/goleak"
)

// roleVariable tells a run of this binary that it is a program in a lab, and which.
const roleVariable = "INTEROP_ROLE"

// roles are these programs. They are needed where a test alone has too few files
// to open.
var roles = map[string]func() error{roleHold: hold}

// What TestMain makes, for all tests.
var (
	sstpwarden, sstplab string // the built programs
	shared              *pki   // of all servers
)

func TestMain(m *testing.M) {
	if role := roles[os.Getenv(roleVariable)]; role != nil {
		if err := role(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	flag.Parse()
	status, err := prepare(func() (int, error) {
		before := goleak.IgnoreCurrent()
		status := overlapping(m.Run)
		if status != 0 {
			return status, nil
		}
		return status, goleak.Find(before)
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, "interop:", err)
		status = 1
	}
	os.Exit(status)
}

// overlapping runs the tests, more of them at once than there are processors, unless
// the command line says how many: they wait for programs most of their time.
func overlapping(run func() int) int {
	const parallel = "test.parallel"
	said := false
	flag.Visit(func(f *flag.Flag) { said = said || f.Name == parallel })
	if !said {
		if err := flag.Set(parallel, strconv.Itoa(3*runtime.GOMAXPROCS(0))); err != nil {
			panic(err) // it is a flag of every test
		}
	}
	return run()
}

// prepare builds the programs and runs the tests.
func prepare(run func() (int, error)) (status int, err error) {
	if os.Geteuid() != 0 {
		return run() // the tests are skipped
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	dir, err := os.MkdirTemp("", "interop")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := os.Chmod(dir, 0o755); err != nil { // programs run as nobody, too
		return 0, err
	}
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
	return run()
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
