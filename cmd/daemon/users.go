package daemon

import (
	"errors"
	"fmt"
	"os/user"
	"strconv"
)

// lookup finds a user by name or number, with all groups.
func lookup(name string) (uid, gid int, groups []int, err error) {
	u, err := user.Lookup(name)
	if _, unknown := errors.AsType[user.UnknownUserError](err); unknown && isDigits(name) {
		u, err = user.LookupId(name)
	}
	if err != nil {
		return 0, 0, nil, fmt.Errorf("%w; make the user, or name another", err)
	}
	texts, err := u.GroupIds()
	if err != nil {
		return 0, 0, nil, fmt.Errorf("groups of %s: %w", name, err)
	}
	for _, text := range texts {
		g, err := strconv.Atoi(text)
		if err != nil {
			return 0, 0, nil, fmt.Errorf("groups of %s: %w", name, err)
		}
		groups = append(groups, g)
	}
	uid, err1 := strconv.Atoi(u.Uid)
	gid, err2 := strconv.Atoi(u.Gid)
	return uid, gid, groups, errors.Join(err1, err2)
}
