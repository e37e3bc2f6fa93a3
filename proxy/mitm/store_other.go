//go:build !linux

package mitm

import (
	"io/fs"
	"os"
)

// owner says to leave the owner as it is.
func owner(fs.FileInfo) (uid, gid int) { return -1, -1 }

func chownFolder(dir string, uid, gid int) error { return os.Chown(dir, uid, gid) }
