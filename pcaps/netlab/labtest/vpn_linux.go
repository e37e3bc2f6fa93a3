package labtest

import (
	"cmp"
	"encoding/json"
	"net"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"sstpwarden/pcaps/netlab"
)

// A VPN is an SSTP server that runs in a lab.
type VPN struct {
	Profile string
	TLS     string // the highest version, "1.2" or "1.3"
	Host    string // an address that On has
	Port    string
	On      *netlab.Host // nil for the lab's server

	*Process
	lab *Lab
}

// VPN starts a server, with flags for sstplab besides, and waits until it listens.
func (l *Lab) VPN(v VPN, more ...string) *VPN {
	l.T.Helper()
	args := []string{
		Sstplab, "serve", "--listen", v.Address(), "--net", "user", "--user", "alice:secret", "--json",
		"--profile", v.Profile, "--cert", Shared.Cert, "--key", Shared.Key, "--run-as", "root",
	}
	if v.TLS == "1.2" {
		args = append(args, "--tls-min", "1.0", "--tls-max", "1.2")
	}
	v.lab = l
	v.Process = l.Start(cmp.Or(v.On, l.Server), "vpn-"+strings.ReplaceAll(v.Host, ":", ".")+"-"+v.Port, append(args, more...)...)
	v.WaitFor(`"event":"listening"`)
	return &v
}

// Address is where it listens.
func (v *VPN) Address() string { return net.JoinHostPort(v.Host, v.Port) }

// String tells of the server in messages.
func (v *VPN) String() string { return v.Profile + " TLS " + v.TLS + " port " + v.Port }

// Serves says whether a client's profile can speak to this server at all, and get past
// RRAS's wait for the Call Connected, which mihomo does not send.
func (v *VPN) Serves(client string) bool {
	switch client {
	case "windows7": // it has no TLS 1.2
		return v.TLS == "1.2" && v.Profile != "rras"
	case "mihomo":
		return v.Profile != "rras"
	}
	return true
}

// A Reach is how far a call may come under the default policies, by the records' lengths
// alone. In no case does an IP packet come out of the tunnel.
type Reach int

// The three that there are.
const (
	// BeforeLogin: the call is cut before the client has said who it is.
	BeforeLogin Reach = iota
	// BeforeIP: it is cut before the tunnel is up, perhaps after the login.
	BeforeIP
	// Unseen: it may not be recognised, and ends by itself.
	Unseen
)

// Reach says how far a client may come. mihomo writes what opens a tunnel in one piece,
// so that there are no records of messages. SoftEther joins what it answers, if it is
// quick, and what shows then is how IPCP goes on. Of MikroTik's answers AES-CBC shows too
// little now and then; but it takes no IP packet without the Call Connected, which mihomo
// does not send.
func (v *VPN) Reach(client string) Reach {
	switch {
	case client != "mihomo":
	case v.Profile == "softether":
		return BeforeIP
	case v.Profile == "mikrotik":
		return Unseen
	}
	return BeforeLogin
}

// A Happening is a line of sstplab's log.
type Happening struct {
	Event, Client, From, Version string
	PacketsIn                    int `json:"packets_in"`
}

// Happenings reads a log of sstplab, or a part of it.
func Happenings(t *testing.T, text string) []Happening {
	t.Helper()
	var all []Happening
	for line := range strings.Lines(text) {
		var h Happening
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

// A Call is how an attempt to use a tunnel went, as the client knows it.
type Call struct {
	Status  int
	Step    string // at which it failed; "check" if the tunnel was up and no page came
	Words   string
	TLS     string // "" if there was none
	Port    int    // the client's
	Packets int    // of IP, that came out of the tunnel
	Checked bool   // a page came through the tunnel
}

var failedStep = regexp.MustCompile(`(?m)^sstplab: (\w+): `)

// Call has a client on a host dial an address that leads to the server, and fetch a page
// through the tunnel, with flags for sstplab besides.
func (v *VPN) Call(from *netlab.Host, client, to, page string, more ...string) Call {
	l := v.lab
	l.T.Helper()
	timeout := "20s"
	if v.Reach(client) == Unseen {
		timeout = "10s" // nothing else may end it
	}
	args := append([]string{
		Sstplab, "dial", "sstp://alice:secret@" + to, "--json", "--net", "user", "--insecure", "--profile", client,
		"--check", page, "--timeout", timeout,
	}, more...)
	stdout, stderr, err := l.Try(from, args...)
	c := Call{Status: Status(err), Words: strings.TrimSpace(stderr)}
	if m := failedStep.FindStringSubmatch(stderr); m != nil {
		c.Step = m[1]
	}
	for _, h := range Happenings(l.T, stdout) {
		c.Packets += h.PacketsIn
		switch h.Event {
		case "tcp":
			_, port, _ := net.SplitHostPort(h.From)
			c.Port, _ = strconv.Atoi(port)
		case "tls":
			c.TLS = h.Version
		case "check":
			c.Checked = true
		}
	}
	return c
}
