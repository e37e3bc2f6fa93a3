package interop

import (
	"cmp"
	"encoding/json"
	"net"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"sstpwarden/pcaps/netlab"
)

// A vpn is an SSTP server on the lab's server.
type vpn struct {
	lab     *lab
	profile string
	tls     string // the highest version, "1.2" or "1.3"
	host    string
	port    string
	on      *netlab.Host // nil for the lab's server
	inside  string       // whose page is fetched through the tunnel, "" for the server's
	process *process
}

func (v *vpn) address() string { return net.JoinHostPort(v.host, v.port) }

// serves says whether a client's profile can come to a tunnel with this server:
// windows7 has no TLS 1.2, and mihomo does not send the Call Connected that RRAS
// waits for.
func (v *vpn) serves(client string) bool {
	switch client {
	case "windows7":
		return v.tls == "1.2" && v.profile != "rras"
	case "mihomo":
		return v.profile != "rras"
	}
	return true
}

// vpn starts a server that has an address of the lab.
func (l *lab) vpn(v vpn, more ...string) *vpn {
	l.t.Helper()
	v.lab = l
	on := cmp.Or(v.on, l.Server)
	args := []string{
		sstplab, "serve", "--listen", v.address(), "--net", "user", "--user", "alice:secret", "--json",
		"--profile", v.profile, "--cert", shared.cert, "--key", shared.key, "--run-as", "root",
	}
	if v.tls == "1.2" {
		args = append(args, "--tls-min", "1.0", "--tls-max", "1.2")
	}
	v.process = l.start(on, "vpn-"+strings.ReplaceAll(v.host, ":", ".")+"-"+v.port, append(args, more...)...)
	v.process.waitFor(`"event":"listening"`)
	return &v
}

// softether is a server that all clients but windows7 get a tunnel of.
func (l *lab) softether(host, port string) *vpn {
	l.t.Helper()
	return l.vpn(vpn{profile: "softether", tls: "1.3", host: host, port: port})
}

// A happening is a line of sstplab's log.
type happening struct {
	Event, Step, Error, Client, From, Version string
	PacketsIn                                 int `json:"packets_in"`
}

func happenings(t *testing.T, text string) []happening {
	t.Helper()
	var all []happening
	for line := range strings.Lines(text) {
		var h happening
		if !strings.HasPrefix(line, "{") || !strings.HasSuffix(line, "\n") {
			continue
		}
		if err := json.Unmarshal([]byte(line), &h); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		all = append(all, h)
	}
	return all
}

// A call is how an attempt to use a tunnel went.
type call struct {
	status  int
	step    string // of the client, at which it failed
	words   string // the client's
	tls     string
	port    int  // the client's
	packets int  // of IP, that came out of the tunnel at the client
	checked bool // a page came through the tunnel
}

var failedStep = regexp.MustCompile(`(?m)^sstplab: (\w+): `)

// call dials the server with a program that fetches a page of so many bytes through the
// tunnel.
func (v *vpn) call(profile string, page int, more ...string) call {
	v.lab.t.Helper()
	return v.callFrom(v.lab.Client, profile, page, more...)
}

// callFrom is call from another host.
func (v *vpn) callFrom(h *netlab.Host, profile string, page int, more ...string) call {
	l := v.lab
	l.t.Helper()
	args := append([]string{
		sstplab, "dial", "sstp://alice:secret@" + v.address(), "--json", "--net", "user", "--insecure", "--profile", profile,
		"--check", "http://" + cmp.Or(v.inside, netlab.Server4b) + "/" + strconv.Itoa(page), "--timeout", "20s",
	}, more...)
	stdout, stderr, err := l.try(h, args...)
	c := call{status: status(err), words: strings.TrimSpace(stderr)}
	if m := failedStep.FindStringSubmatch(stderr); m != nil {
		c.step = m[1]
	}
	for _, h := range happenings(l.t, stdout) {
		c.packets += h.PacketsIn
		switch h.Event {
		case "tcp":
			_, port, _ := net.SplitHostPort(h.From)
			c.port, _ = strconv.Atoi(port)
		case "tls":
			c.tls = h.Version
		case "check":
			c.checked = true
		}
	}
	return c
}

// A visit is what the server knows of a call.
type visit struct {
	authenticated bool // the client's response has arrived, and was right
	packets       int  // of IP, that came out of the tunnel
}

// visits ends the server, and gives those that there were, by the client's port.
func (v *vpn) visits() map[int]visit {
	v.lab.t.Helper()
	v.process.signal(syscall.SIGTERM)
	v.process.wait()
	all := map[int]visit{}
	for _, h := range happenings(v.lab.t, v.process.text()) {
		_, text, _ := net.SplitHostPort(h.Client)
		port, err := strconv.Atoi(text)
		if err != nil {
			continue
		}
		o := all[port]
		o.packets += h.PacketsIn
		o.authenticated = o.authenticated || h.Event == "authenticated"
		all[port] = o
	}
	return all
}
