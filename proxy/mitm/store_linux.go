package mitm

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// owner says whose a file is.
func owner(info fs.FileInfo) (uid, gid int) {
	stat, _ := info.Sys().(*syscall.Stat_t) // os has no other
	return int(stat.Uid), int(stat.Gid)
}

// chownFolder gives a folder away, and nothing that has its name by now: who may write
// to the folder above could have put a link in its place.
func chownFolder(dir string, uid, gid int) error {
	f, err := os.OpenFile(dir, os.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Chown(uid, gid), f.Close())
}
