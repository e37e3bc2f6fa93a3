package mitm

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const nobody = 65534

// What root makes in a service's folder is the service's.
func TestSaveForOthers(t *testing.T) {
	if os.Geteuid() != 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("only root can give files away")
		}
		t.Skip("only root can give files away")
	}
	above := t.TempDir()
	if err := os.Chown(above, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(above, "ca")
	if err := newCATest(t, CreateOptions{}).Save(dir); err != nil {
		t.Fatal(err)
	}
	if _, _, err := RenewFiles(dir, time.Hour); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) != 3 {
		t.Fatalf("%q, %v", files, err)
	}
	for _, path := range append(files, dir) {
		var stat unix.Stat_t
		if err := unix.Stat(path, &stat); err != nil || stat.Uid != nobody || stat.Gid != nobody {
			t.Errorf("%s is %d's and %d's, %v", path, stat.Uid, stat.Gid, err)
		}
	}
}

// A folder that may not be looked into is not said to be empty.
func TestLoadDenied(t *testing.T) {
	dir := t.TempDir()
	if err := newCATest(t, CreateOptions{}).Save(dir); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Chmod(filepath.Dir(dir), 0o755), os.Chmod(dir, 0)); err != nil {
		t.Fatal(err)
	}
	// Root may look into all, but not under this name, which is the thread's.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if os.Geteuid() == 0 {
		if err := unix.Setfsuid(nobody); err != nil {
			t.Fatal(err)
		}
		defer func() { _ = unix.Setfsuid(0) }() // never fails
	}
	_, err := Load(dir)
	if !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), "ca.crt: permission denied: let the user that runs this read it") {
		t.Errorf("got %v", err)
	}
}
