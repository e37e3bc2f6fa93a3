package matrix

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// nobody is who has no rights.
const nobody = 65534

// asNobody runs sstplab without root.
func asNobody(t *testing.T, args ...string) *Report {
	t.Helper()
	dir := t.TempDir()
	for _, d := range []string{filepath.Dir(dir), dir} {
		if err := os.Chmod(d, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	results := filepath.Join(dir, "results")
	cmd := exec.CommandContext(ctx, built(t, "sstplab"), append([]string{"matrix", "--out", results, "--timeout", "1m"}, args...)...)
	cmd.Env = append(os.Environ(), "HOME="+dir, "TMPDIR="+dir)
	cmd.Dir = dir
	if os.Geteuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	r, err := LoadReport(filepath.Join(results, "report.json"))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// The small grid takes no rights at all.
func TestSmallAsNobody(t *testing.T) {
	r := asNobody(t, "--grid", "small", "--require", "errors=0,skipped=0,false-alarms=0")
	if c := r.Counts; c.Cells != len(Small().Cells()) || c.Cells != c.Tunnels+c.Benign {
		t.Errorf("%+v", c)
	}
}

// Of the default grid, cells on a router take root and say so, and others run.
func TestRootAsNobody(t *testing.T) {
	r := asNobody(t, "--only", "^(transparent|router|explicit)/tls1.3/(windows-softether/none|chrome/https-page)$", "--require", "errors=0,leaks=0,false-alarms=0")
	for i := range r.Cells {
		c := &r.Cells[i]
		if rooted := !strings.HasPrefix(c.ID, "explicit/"); c.Skipped != rooted || rooted && c.Reason != "needs root" {
			t.Errorf("%s: %s, %s", c.ID, c.Status(), c.Reason)
		}
	}
	if c := r.Counts; c.Cells != 6 || c.Skipped != 4 || c.Right != 2 {
		t.Errorf("%+v", c)
	}
}
