// Package doctor says what on this host is missing for sstpwarden to run as it is
// configured, and proves what can be proved without touching the host: in networks
// of its own it has the kernel do what it will be asked to do.
package doctor

import (
	"context"
	"fmt"
	"net"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
	"kernel.org/pub/linux/libs/security/libcap/cap"

	"sstpwarden/cmd/daemon"
)

// A State is how a finding came out.
type State string

// The states.
const (
	OK      State = "ok"      // it is there, or was seen to work
	Warning State = "warning" // it works, with a drawback
	Missing State = "missing" // what is configured will not work
	Unknown State = "unknown" // it could not be looked at
)

// A Finding is one thing that was looked at.
type Finding struct {
	Area   string `json:"area"` // "host", "configuration", or a mode
	Name   string `json:"name"`
	State  State  `json:"state"`
	Detail string `json:"detail,omitempty"`
	Remedy string `json:"remedy,omitempty"`
}

// Options say what to look at.
type Options struct {
	Config *daemon.Config
	// Modes are the areas "explicit", "redirect", "tproxy" and "nfq"; those that the
	// configuration uses if there are none.
	Modes []string
}

// Modes are all that can be looked at.
func Modes() []string { return []string{"explicit", "redirect", "tproxy", areaNFQ} }

// Examine looks at everything. It changes nothing on the host.
func Examine(ctx context.Context, o Options) []Finding {
	e := &examination{config: o.Config}
	modes := o.Modes
	if len(modes) == 0 {
		modes = configured(o.Config)
	}
	e.host()
	if slices.ContainsFunc(modes, func(mode string) bool { return mode != areaNFQ }) {
		e.openFiles()
	}
	e.files(ctx)
	for _, mode := range modes {
		switch mode {
		case "explicit":
			e.ports("explicit", o.Config.Proxy.Listen)
		case "redirect", "tproxy":
			e.transparent(ctx, mode)
		case areaNFQ:
			e.nfq(ctx)
		}
	}
	return e.findings
}

// configured are the modes that a configuration says something of, all if it does of none.
func configured(c *daemon.Config) []string {
	var modes []string
	if len(c.Proxy.Listen) > 0 {
		modes = append(modes, "explicit")
	}
	if len(c.Proxy.Transparent.Listen) > 0 {
		modes = append(modes, c.Proxy.Transparent.Mode)
	}
	if !reflect.DeepEqual(c.NFQ, daemon.Default().NFQ) {
		modes = append(modes, areaNFQ)
	}
	if len(modes) == 0 {
		return Modes()
	}
	return modes
}

type examination struct {
	config   *daemon.Config
	findings []Finding
}

func (e *examination) find(area, name string, state State, detail, remedy string) {
	e.findings = append(e.findings, Finding{area, name, state, detail, remedy})
}

// host looks at what every mode needs.
func (e *examination) host() {
	var u unix.Utsname
	if err := unix.Uname(&u); err == nil {
		e.find("host", "kernel", OK, unix.ByteSliceToString(u.Sysname[:])+" "+unix.ByteSliceToString(u.Release[:]), "")
	}
	if e.config.User != "" {
		if os.Geteuid() != 0 {
			e.find("host", "user", Missing, "going on as "+e.config.User+" takes root, and this is not root", "start it as root, or leave user out")
		}
	}
}

// perConnection is how many files a connection takes: its client's and its
// server's socket, and now and then a pipe.
const perConnection = 2

// openFiles says what the daemon will have: at its start it takes all that it is
// allowed to, and more where it may.
func (e *examination) openFiles() {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		e.find("host", "open files", Unknown, err.Error(), "")
		return
	}
	raises, _ := cap.GetProc().GetFlag(cap.Effective, cap.SYS_RESOURCE)
	e.judgeFiles(limit.Max, mostFiles(), raises)
}

// mostFiles is what nobody can raise a process's limit beyond, 0 where that is not
// known.
func mostFiles() uint64 {
	b, _ := os.ReadFile("/proc/sys/fs/nr_open")
	n, _ := strconv.ParseUint(strings.TrimSpace(string(b)), 10, 64)
	return n
}

// judgeFiles judges the hard limit of open files, the kernel's for all, and
// whether the process raises its own.
func (e *examination) judgeFiles(hard, most uint64, raises bool) {
	connections := e.config.Proxy.Limits.Connections
	need := uint64(connections)*perConnection + 512
	short := fmt.Sprintf("proxy.limits.connections = %d may take %d", connections, need)
	switch {
	case hard >= need:
		e.find("host", "open files", OK, fmt.Sprintf("%d may be open at once", hard), "")
	case raises && need <= most:
		e.find("host", "open files", OK, fmt.Sprintf("%d may be open at once; %s, and the proxy raises its limit to that when it starts", hard, short), "")
	case raises && most > 0:
		e.find("host", "open files", Warning, fmt.Sprintf("%d may be open at once, and no process may have more than %d; %s", hard, most, short),
			fmt.Sprintf("sysctl fs.nr_open=%d, or fewer connections", need))
	default:
		e.find("host", "open files", Warning, fmt.Sprintf("%d may be open at once, and this process may not raise that; %s", hard, short),
			fmt.Sprintf("LimitNOFILE=%d in the unit, ulimit -Hn %[1]d, or run it as root (CAP_SYS_RESOURCE)", need))
	}
}

// files looks at everything that the configuration names.
func (e *examination) files(ctx context.Context) {
	used, err := e.config.Try(ctx)
	for _, u := range used {
		e.find("configuration", u.Key, OK, u.What, "")
	}
	if err != nil {
		for line := range strings.SplitSeq(err.Error(), "\n") {
			e.find("configuration", "files", Missing, line, "")
		}
	}
}

// ports tries to listen.
func (e *examination) ports(area string, addrs []string) {
	for _, addr := range addrs {
		ln, err := net.Listen("tcp", addr)
		switch {
		case err == nil:
			_ = ln.Close()
			e.find(area, "listen "+addr, OK, "the address is free", "")
		case isErrno(err, unix.EADDRINUSE):
			e.find(area, "listen "+addr, Warning, "somebody listens there already", "if that is not sstpwarden, stop it or take another port; ss -tlnp tells who it is")
		case isErrno(err, unix.EACCES):
			e.find(area, "listen "+addr, Missing, err.Error(), "ports below 1024 take root or CAP_NET_BIND_SERVICE")
		default:
			e.find(area, "listen "+addr, Missing, err.Error(), "")
		}
	}
}

// capability looks for one of the process's.
func (e *examination) capability(area string, v cap.Value) bool {
	has, err := cap.GetProc().GetFlag(cap.Effective, v)
	if err == nil && has {
		e.find(area, v.String(), OK, "", "")
		return true
	}
	e.find(area, v.String(), Missing, "this process does not have it", "run it as root, or with AmbientCapabilities="+strings.ToUpper(v.String())+" in the unit")
	return false
}
