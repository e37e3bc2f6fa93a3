package report

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"sstpwarden/policies/event"
)

// number writes n with its thousands set apart.
func number(n uint64) string {
	s := strconv.FormatUint(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// count writes how many of something there are: "1 file", "2 files".
func count[N uint64 | int](n N, what string) string {
	if n == 1 {
		return "1 " + what
	}
	if stem, ok := strings.CutSuffix(what, "y"); ok {
		what = stem + "ie"
	}
	return number(uint64(n)) + " " + what + "s"
}

// Size writes n bytes with a decimal unit: "84.3 kB".
func Size(n uint64) string {
	const unit = 1000
	if n < unit {
		return fmt.Sprintf("%d B", n)
	}
	f, i := float64(n)/unit, 0
	for ; f >= unit-0.05 && i < 3; i++ {
		f /= unit
	}
	return fmt.Sprintf("%.1f %cB", f, "kMGT"[i])
}

// Lasted writes a duration with no more digits than it takes: "8.5s".
func Lasted(seconds float64) string {
	d := time.Duration(seconds * float64(time.Second))
	switch {
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case d < time.Minute:
		return d.Round(100 * time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}

// Times stand in UTC everywhere; the page says so once.
func clock(t time.Time) string     { return t.UTC().Format(time.DateTime) }
func clockFine(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05.000") }

// period writes from when to when, the date once where it is the same.
func period(first, last time.Time) string {
	switch {
	case first.Unix() == last.Unix():
		return clock(first)
	case first.UTC().Format(time.DateOnly) == last.UTC().Format(time.DateOnly):
		return clock(first) + " to " + last.UTC().Format(time.TimeOnly)
	}
	return clock(first) + " to " + clock(last)
}

// end writes an address with its port; either may be unknown.
func end(ip netip.Addr, port uint16) string {
	switch {
	case ip.IsValid() && port != 0:
		return netip.AddrPortFrom(ip.WithZone(""), port).String()
	case ip.IsValid():
		return address(ip)
	case port != 0:
		return "port " + strconv.Itoa(int(port))
	}
	return ""
}

// address writes an address, and nothing for none. A zone would be a name of
// somebody's choice.
func address(ip netip.Addr) string {
	if !ip.IsValid() {
		return ""
	}
	return ip.WithZone("").String()
}

// serverName gives what a server is called, and its address where that is
// something else.
func serverName(s event.Server) (name, where string) {
	where = end(s.IP, s.Port)
	if s.Name == "" {
		return where, ""
	}
	return s.Name, where
}

// serverOf is whom the client of e wants to reach.
func serverOf(e *event.Event) event.Server {
	if e.Server != nil {
		return *e.Server
	}
	return event.Server{IP: e.DestIP, Port: e.DestPort}
}

// serverKey tells servers apart as a summary's Destinations do: by address and
// port, or by name where no address is known. The name is what it is called
// beside, if anything.
func serverKey(e *event.Event) (key event.Server, name string) {
	key = serverOf(e)
	name = key.Name
	if key.IP.IsValid() {
		key.Name = ""
	}
	if _, err := netip.ParseAddr(name); err == nil {
		name = ""
	}
	return key, name
}

// userOf is the best that is known of who the client is: what our side says,
// then what the client claims.
func userOf(e *event.Event) string {
	switch {
	case e.User != "":
		return e.User
	case e.PPP != nil && e.PPP.User != "":
		return e.PPP.User
	case e.Connect != nil:
		return e.Connect.User
	}
	return ""
}

// programs names the implementations of both ends.
func programs(d *event.Detection) string {
	switch {
	case d.Client == "" && d.Server == "":
		return ""
	case d.Client == "":
		return "? → " + d.Server
	case d.Server == "":
		return d.Client + " → ?"
	}
	return d.Client + " → " + d.Server
}

// action words a decision; in an audit nothing is done.
func action(d *event.Decision) string {
	switch {
	case d == nil:
		return ""
	case d.Action == "drop" && !d.Enforced:
		return "would drop"
	}
	return d.Action
}

// endOf is when the last of a connection was seen.
func endOf(e *event.Event) time.Time {
	const most = float64(1<<63-1) / float64(time.Second)
	return e.Timestamp.Add(time.Duration(min(max(e.Duration, 0), most/2) * float64(time.Second)))
}

// words makes a sentence's part of a name: "flows_evicted" is "flows evicted".
func words(name string) string { return strings.ReplaceAll(name, "_", " ") }
