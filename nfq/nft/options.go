package nft

import (
	"errors"
	"fmt"
	"strings"
)

// ProxyTableName is the name of the proxy's table, whose family is inet.
const ProxyTableName = "sstpwarden_proxy"

// A Mode is how connections come to the transparent port.
type Mode uint8

const (
	// Redirect changes the destination of a connection to this host. The server
	// sees the proxy's address. The zero Mode is no mode.
	Redirect Mode = iota + 1
	// TPROXY hands a connection to a socket of this host without changing it, so
	// that the proxy can use the client's address towards the server.
	TPROXY
)

// ParseMode reads "redirect" or "tproxy".
func ParseMode(s string) (Mode, error) {
	switch s {
	case "redirect":
		return Redirect, nil
	case "tproxy":
		return TPROXY, nil
	}
	return 0, fmt.Errorf("mode %q: want redirect or tproxy", s)
}

// String is the word that ParseMode reads.
func (m Mode) String() string {
	switch m {
	case Redirect:
		return "redirect"
	case TPROXY:
		return "tproxy"
	}
	return fmt.Sprintf("Mode(%d)", uint8(m))
}

// Defaults of ProxyOptions. These bits are not those of kube-proxy (0xc000), Tailscale
// (0xff0000) or mwan3 (0x3f00); Calico and Cilium may use all of the upper half, and beside
// them others have to be chosen.
const (
	DefaultMask  uint32 = 0x3000_0000
	DefaultMark  uint32 = 0x1000_0000
	DefaultTable        = 21332
)

// ProxyOptions say what the proxy's table does.
type ProxyOptions struct {
	Mode Mode
	// Port is where the transparent listener listens, on all addresses: the
	// kernel picks which of the host's own a connection comes to.
	Port  uint16
	Scope Scope
	// Local takes the host's own outgoing connections too, as far as the
	// scope's ports and exclusions say. Only with Redirect.
	Local bool
	// Mark is, under Mask, in the mark of the proxy's own sockets, see
	// MarkControl: what they send is never taken. Both are 0 for the defaults.
	// No other bits than those of Mask are looked at or changed.
	Mark, Mask uint32
	// Table is the routing table that TPROXY uses, 0 for DefaultTable. There
	// must be nothing else in it.
	Table int
	// FailOpen binds the table to the life of the process: the kernel removes
	// it when that is gone in whatever way, and traffic goes past. Nobody else
	// can change it then, nor does nft flush ruleset. Without it the table
	// stays after a crash, and stops what is in its scope.
	FailOpen bool
}

// Divert is the packet mark, under Mask, of what TPROXY hands to this host: the bits of
// Mask without those of Mark. A packet filter on the way in may go by it.
func (o ProxyOptions) Divert() uint32 {
	o = o.withDefaults()
	return o.Mask &^ o.Mark
}

func (o ProxyOptions) withDefaults() ProxyOptions {
	if o.Mark == 0 && o.Mask == 0 {
		o.Mark, o.Mask = DefaultMark, DefaultMask
	}
	if o.Table == 0 {
		o.Table = DefaultTable
	}
	return o
}

// Validate says what is wrong with the options, or that they do not fit together.
func (o ProxyOptions) Validate() error {
	o = o.withDefaults()
	switch {
	case o.Mode != Redirect && o.Mode != TPROXY:
		return fmt.Errorf("%v is neither redirect nor tproxy", o.Mode)
	case o.Port == 0:
		return errors.New("the transparent port is missing")
	case o.Mark == 0 || o.Mark&^o.Mask != 0:
		return fmt.Errorf("mark %#x has to be within mask %#x, and not zero", o.Mark, o.Mask)
	case o.Mode == TPROXY && o.Mask == o.Mark:
		return fmt.Errorf("mask %#x has to have a bit that mark %#x has not: tproxy uses two marks", o.Mask, o.Mark)
	case o.Mode == TPROXY && o.Local:
		return errors.New("the host's own connections can be taken in mode redirect only")
	case o.Table < 1 || o.Table > 1<<31-1 || o.Table >= 253 && o.Table <= 255:
		return fmt.Errorf("routing table %d cannot be used: want one of 1 to 252 or from 256 on", o.Table)
	}
	return o.Scope.Validate()
}

// A Counter is what a rule has seen.
type Counter struct {
	Packets, Bytes uint64
}

// Names of rules, as Counters gives them. Rules of one name are added up. With Redirect
// a rule sees the first packet of each connection, with TPROXY all packets.
const (
	CountProxied      = "proxied"       // to the transparent port
	CountEstablished  = "established"   // TPROXY: of connections that sockets of this host hold
	CountResumed      = "resumed"       // TPROXY: of proxied connections whose socket is not found: SYN cookies
	CountNotNew       = "not_new"       // not the first of a connection, and none of a proxied one
	CountPast         = "past"          // new, while the proxy is about to stop: only after LetPast
	CountStopped      = "stopped"       // TPROXY, fail-closed: nobody listens
	CountNotTCP       = "not_tcp"       // another protocol
	CountToHost       = "to_host"       // for this host itself
	CountNotInterface = "not_interface" // out of scope
	CountNotClient    = "not_client"    // out of scope
	CountNotPort      = "not_port"      // out of scope
	CountExcluded     = "excluded"      // by its destination

	CountLocalProxied  = "local_proxied"  // the host's own, to the transparent port
	CountLocalOwn      = "local_own"      // the proxy's own
	CountLocalNotTCP   = "local_not_tcp"  // another protocol
	CountLocalNotNew   = "local_not_new"  // not the first of a connection
	CountLocalToHost   = "local_to_host"  // for this host itself
	CountLocalNotPort  = "local_not_port" // out of scope
	CountLocalExcluded = "local_excluded" // by its destination
)

// A Feature is something that the kernel or the host's settings may lack.
type Feature struct {
	Name string // "redirect"
	Text string // what was tried, in the words of nft or ip
	Need string // what to do where it is missing: the kernel's option and module
	// Optional says that Setup does without, and what is lost then.
	Optional string
	Err      error // nil if it is there
}

// String is one line for people.
func (f Feature) String() string {
	switch {
	case f.Err == nil:
		return f.Name + ": ok"
	case f.Optional != "":
		return fmt.Sprintf("%s: missing (%v): %s; without it %s", f.Name, f.Err, f.Need, f.Optional)
	}
	return fmt.Sprintf("%s: missing (%v): %s", f.Name, f.Err, f.Need)
}

// An UnsupportedError names what is missing on this host. It is errors.ErrUnsupported.
type UnsupportedError struct {
	Missing []Feature // not empty
}

func (e *UnsupportedError) Error() string {
	var b strings.Builder
	b.WriteString("the kernel lacks what is needed")
	for _, f := range e.Missing {
		fmt.Fprintf(&b, "; %v", f)
	}
	return b.String()
}

// Unwrap gives the kernel's errors beside errors.ErrUnsupported.
func (e *UnsupportedError) Unwrap() []error {
	errs := []error{errors.ErrUnsupported}
	for _, f := range e.Missing {
		errs = append(errs, f.Err)
	}
	return errs
}

var (
	// ErrInUse means that a running process owns the table.
	ErrInUse = errors.New("the table belongs to a process that is running: stop that one first")
	// ErrNotRedirected means that a connection was made to the listener itself:
	// there is no other destination, and dialling this one would be a loop.
	ErrNotRedirected = errors.New("the connection was not redirected here")
)
