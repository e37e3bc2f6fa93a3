package labtest

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

// What Main makes, for all tests.
var (
	// Sstpwarden is where the built program is.
	Sstpwarden string
	// Sstplab is where that one is.
	Sstplab string
	// Shared is the certificate of all servers.
	Shared *PKI
)

// Main runs the tests of a package, and exits. The programs are built before, or are
// those in the folder that the environment variable INTEROP_PROGRAMS names. More tests
// run at once than there are processors, unless the command line says how many: they
// wait for programs most of their time. Goroutines that they leave are an error.
func Main(m *testing.M) {
	flag.Parse()
	status, err := prepare(func() (int, error) {
		before := goleak.IgnoreCurrent()
		overlap()
		if status := m.Run(); status != 0 {
			return status, nil
		}
		return 0, goleak.Find(before)
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, "interop:", err)
		status = 1
	}
	os.Exit(status)
}

// overlap sets how many tests run at once.
func overlap() {
	const parallel = "test.parallel"
	said := false
	flag.Visit(func(f *flag.Flag) { said = said || f.Name == parallel })
	if said {
		return
	}
	if err := flag.Set(parallel, strconv.Itoa(3*runtime.GOMAXPROCS(0))); err != nil {
		panic(err) // it is a flag of every test
	}
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
	Sstpwarden, Sstplab = filepath.Join(programs, "sstpwarden"), filepath.Join(programs, "sstplab")
	if Shared, err = newPKI(dir); err != nil {
		return 0, err
	}
	return run()
}

// Need skips the test where these programs, or root, are missing. In CI they must be
// there.
func Need(t testing.TB, programs ...string) {
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
