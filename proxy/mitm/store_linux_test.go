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

	"sstpwarden/pcaps/netlab/labtest"
)

const nobody = 65534

// What root makes in a service's folder is the service's.
func TestSaveForOthers(t *testing.T) {
	labtest.Need(t)
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

// What stands under the folder's name by the time it is given away stays whose it is.
func TestChownFolderElsewhere(t *testing.T) {
	labtest.Need(t)
	dir := t.TempDir()
	file, link := filepath.Join(dir, "file"), filepath.Join(dir, "link")
	if err := errors.Join(os.WriteFile(file, nil, 0o600), os.Symlink(dir, link)); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{file, link} {
		if err := chownFolder(path, nobody, nobody); !errors.Is(err, unix.ENOTDIR) {
			t.Errorf("%s: %v", path, err)
		}
	}
	for _, path := range []string{file, link, dir} {
		var stat unix.Stat_t
		if err := unix.Lstat(path, &stat); err != nil || stat.Uid == nobody {
			t.Errorf("%s is %d's, %v", path, stat.Uid, err)
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
	t.Cleanup(func() { _ = os.Chmod(dir, 0o700) }) // who is not root could not remove it
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
