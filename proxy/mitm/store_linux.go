package mitm

import (
	"io/fs"
	"syscall"
)

// owner says whose a file is.
func owner(info fs.FileInfo) (uid, gid int) {
	stat, _ := info.Sys().(*syscall.Stat_t) // os has no other
	return int(stat.Uid), int(stat.Gid)
}
