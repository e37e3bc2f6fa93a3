package main

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"strconv"

	"kernel.org/pub/linux/libs/security/libcap/cap"
)

// dropPrivileges goes on as that user, without any capability, and says whether
// there was something to drop. All files, sockets and devices that need root must be open.
func dropPrivileges(name string) (dropped bool, err error) {
	if os.Geteuid() != 0 || name == "root" {
		return false, nil
	}
	u, err := user.Lookup(name)
	if err != nil {
		return false, fmt.Errorf("dropping privileges: %w; name a user with --run-as", err)
	}
	uid, err1 := strconv.Atoi(u.Uid)
	gid, err2 := strconv.Atoi(u.Gid)
	if err := errors.Join(err1, err2); err != nil {
		return false, fmt.Errorf("dropping privileges to %s: %w", name, err)
	}
	if err := cap.SetGroups(gid); err != nil {
		return false, fmt.Errorf("dropping privileges to %s: groups: %w", name, err)
	}
	if err := cap.SetUID(uid); err != nil {
		return false, fmt.Errorf("dropping privileges to %s: %w", name, err)
	}
	if err := cap.NewSet().SetProc(); err != nil {
		return false, fmt.Errorf("dropping capabilities: %w", err)
	}
	return true, nil
}
