package matrix

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"go.uber.org/goleak"
)

// programs is the folder with sstplab and sstpwarden, once a test has asked for it.
var programs string

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.Cleanup(func(status int) {
		if err := os.RemoveAll(programs); err != nil {
			fmt.Fprintln(os.Stderr, err)
			status = 1
		}
		os.Exit(status)
	}))
}

// build builds them, for whoever may run here.
var build = sync.OnceValue(func() (err error) {
	if programs, err = os.MkdirTemp("", "matrix-programs-"); err != nil {
		return err
	}
	cmd := exec.Command("go", "build", "-o", programs, "sstpwarden/cmd/sstpwarden", "sstpwarden/cmd/sstplab")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("building the programs: %w\n%s", err, out)
	}
	return os.Chmod(programs, 0o755)
})

// built is the path of one of them.
func built(t *testing.T, name string) string {
	t.Helper()
	if err := build(); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(programs, name)
}
