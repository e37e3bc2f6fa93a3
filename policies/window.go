package policies

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// window checks a span of time in which SSTP is sanctioned: from one moment
// until another, or by the clock of a time zone, on some days or all.
func (c *checker) window(at dataPath, v any) {
	w, ok := c.object(at, v, "from", "until", "days", "zone", "networks", "expires", "note")
	if !ok {
		return
	}
	from, until, ok := c.bounds(at, w)
	_, hasDays := w["days"]
	_, hasZone := w["zone"]
	switch {
	case !ok:
	case hasDays || hasZone || isClock(from) || isClock(until):
		c.recurring(at, w, from, until)
	default:
		c.absolute(at, from, until)
	}
	if v, ok := w["networks"]; ok {
		if empty(v) {
			c.wrong(append(at, "networks"), "is empty, so the window is open to nobody", "leave it out for a window that is open to all")
		}
		c.each(append(at, "networks"), v, "prefixes or addresses", c.network)
	}
	c.remarks(at, w)
}

// bounds gives from and until; ok says that both are texts.
func (c *checker) bounds(at dataPath, w map[string]any) (from, until string, ok bool) {
	const of = `a time such as 2026-11-22T05:00:00Z, or one of the day such as "05:00"`
	ok = true
	get := func(key string) (s string) {
		v, there := c.need(at, w, key)
		if there {
			s, there = c.text(append(at, key), v, of)
		}
		ok = ok && there
		return s
	}
	return get("from"), get("until"), ok
}

func (c *checker) absolute(at dataPath, from, until string) {
	begin, ok1 := c.moment(append(at, "from"), from)
	end, ok2 := c.moment(append(at, "until"), until)
	if ok1 && ok2 && !end.After(begin) {
		c.wrong(append(at, "until"), fmt.Sprintf("the window ends at %s, which is not after its begin at %s", until, from), "swap or correct them")
	}
}

func (c *checker) moment(at dataPath, s string) (time.Time, bool) {
	t, err := time.Parse(time.RFC3339, s)
	switch {
	case err != nil:
		c.wrong(at, shown(s)+" is no time in the form of RFC 3339", `write one such as 2026-11-22T05:00:00+01:00, or "05:00" with a zone for a window that recurs`)
	case !countable(t):
		c.wrong(at, s+" lies outside the years 1678 to 2261", "write a time in them")
	default:
		return t, true
	}
	return t, false
}

var (
	clock     = regexp.MustCompile(`^([01][0-9]|2[0-3]):[0-5][0-9]$`)
	clockLike = regexp.MustCompile(`^[0-9]{1,2}(:[0-9]{1,2}){1,2}$`)
)

// isClock says that s is meant to be a time of day.
func isClock(s string) bool { return clockLike.MatchString(s) }

const midnight = "24:00" // the end of a day

func (c *checker) recurring(at dataPath, w map[string]any, from, until string) {
	ok := c.timeOfDay(append(at, "from"), from, clock.MatchString(from))
	ok = c.timeOfDay(append(at, "until"), until, clock.MatchString(until) || until == midnight) && ok
	if ok && from == until {
		c.wrong(append(at, "until"), "the window ends when it begins", `write from: "00:00" and until: "24:00" for whole days`)
	}
	if v, ok := c.need(at, w, "zone"); ok {
		c.zone(append(at, "zone"), v)
	}
	v, ok := w["days"]
	if !ok {
		return
	}
	at = append(at, "days")
	if empty(v) {
		c.wrong(at, "is empty, so the window never opens", "leave it out for a window on all days")
	}
	c.each(at, v, "days: "+listing(weekdays, "or"), c.day)
}

func (c *checker) timeOfDay(at dataPath, s string, ok bool) bool {
	switch {
	case ok:
	case isClock(s):
		c.wrong(at, shown(s)+" is no time of the day", `write hours and minutes, of two digits each: "08:00"`)
	default:
		c.wrong(at, shown(s)+" is no time of the day", `write one such as "08:00"; a window from one date until another has no days and no zone`)
	}
	return ok
}

var weekdays = []string{"mon", "tue", "wed", "thu", "fri", "sat", "sun"}

func (c *checker) day(at dataPath, v any) {
	s, ok := c.text(at, v, "a day")
	if !ok || slices.Contains(weekdays, s) {
		return
	}
	remedy := "write " + listing(weekdays, "or")
	for _, d := range weekdays {
		if strings.HasPrefix(strings.ToLower(s), d) {
			remedy = fmt.Sprintf("did you mean %q?", d)
		}
	}
	c.wrong(at, shown(s)+" is no day", remedy)
}

// zone checks the name of a time zone.
func (c *checker) zone(at dataPath, v any) {
	const such = "write a name such as Europe/Berlin, or UTC"
	s, ok := c.text(at, v, "the name of a time zone")
	if !ok {
		return
	}
	if s == "Local" { // the machine's own
		c.wrong(at, "Local differs from machine to machine", such)
	} else if _, err := time.LoadLocation(s); err != nil {
		c.wrong(at, "there is no time zone "+shown(s), such)
	}
}
