package daemon

import (
	"fmt"
	"os"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
	"kernel.org/pub/linux/libs/security/libcap/cap"
)

// DropPrivileges goes on as the user of that name or number, "" for the one it
// runs as, with the capabilities of keep alone, in all threads. Nothing can be
// gained from then on, by programs that are started neither. All files and
// sockets that need more must be open.
//
// Of keep, what the process does not have is an error.
func DropPrivileges(name string, keep []cap.Value) error {
	if err := dropPrivileges(name, keep); err != nil {
		return fmt.Errorf("dropping privileges: %w", err)
	}
	return nil
}

func dropPrivileges(name string, keep []cap.Value) error {
	has := cap.GetProc()
	for _, c := range keep {
		if ok, err := has.GetFlag(cap.Permitted, c); err != nil || !ok {
			return fmt.Errorf("%v is needed and not there: start it as root, or give the unit AmbientCapabilities=%[1]v", c)
		}
	}
	if err := narrow(keep); err != nil {
		return err
	}
	if err := become(name); err != nil {
		return err
	}
	kept := cap.NewSet()
	if err := kept.SetFlag(cap.Permitted, true, keep...); err != nil {
		return err
	}
	if err := kept.SetFlag(cap.Effective, true, keep...); err != nil {
		return err
	}
	if err := cap.ResetAmbient(); err != nil {
		return fmt.Errorf("ambient capabilities: %w", err)
	}
	if err := kept.SetProc(); err != nil {
		return fmt.Errorf("capabilities: %w", err)
	}
	return NoNewPrivs()
}

// narrow takes out of the bounding set what is not kept, where that is allowed:
// a user with a few capabilities may not, and need not.
func narrow(keep []cap.Value) error {
	proc := cap.GetProc()
	if can, err := proc.GetFlag(cap.Permitted, cap.SETPCAP); err != nil || !can {
		return err
	}
	if err := proc.SetFlag(cap.Effective, true, cap.SETPCAP); err != nil {
		return err
	}
	if err := proc.SetProc(); err != nil {
		return fmt.Errorf("capabilities: %w", err)
	}
	for c := range cap.MaxBits() {
		if !slices.Contains(keep, c) {
			if err := cap.DropBound(c); err != nil {
				return fmt.Errorf("bounding set, %v: %w", c, err)
			}
		}
	}
	return nil
}

// become changes the user and all groups; capabilities stay permitted.
func become(name string) error {
	if name == "" {
		return nil
	}
	uid, gid, groups, err := lookup(name)
	if err != nil {
		return err
	}
	if uid == os.Geteuid() && uid == os.Getuid() {
		return nil
	}
	if os.Geteuid() != 0 {
		return fmt.Errorf("only root can go on as %s: start it as root, or as that user", name)
	}
	if err := cap.SetGroups(gid, groups...); err != nil {
		return fmt.Errorf("groups of %s: %w", name, err)
	}
	if err := cap.SetUID(uid); err != nil {
		return fmt.Errorf("user %s: %w", name, err)
	}
	return nil
}

// NoNewPrivs keeps the process, and what it starts, from gaining privileges by
// programs that have them (prctl(2), PR_SET_NO_NEW_PRIVS).
func NoNewPrivs() error {
	if _, err := cap.Prctlw(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("no new privileges: %w", err)
	}
	return nil
}

// RaiseFileLimit lets the process open as many files as it is allowed to, and
// says how many that are. Where that is fewer than need and the process may raise
// the limit itself (CAP_SYS_RESOURCE), it does.
func RaiseFileLimit(need uint64) (uint64, error) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0, fmt.Errorf("reading the limit of open files: %w", err)
	}
	if limit.Max < need {
		more := syscall.Rlimit{Cur: need, Max: need}
		if syscall.Setrlimit(syscall.RLIMIT_NOFILE, &more) == nil {
			return need, nil
		}
	}
	if limit.Cur < limit.Max {
		limit.Cur = limit.Max
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
			return 0, fmt.Errorf("raising the limit of open files: %w", err)
		}
	}
	return limit.Cur, nil
}
