package policies

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"

	"sstpwarden/policies/nearest"
)

// sanctioned checks data.sanctioned, the tunnels that are meant to be. What is
// accepted here is what sstp/sanctioned.rego understands.
func (c *checker) sanctioned(at dataPath, v any) {
	if v == nil {
		return // all of it is commented out
	}
	s, ok := c.object(at, v, "servers", "networks", "users", "windows", "certificates")
	if !ok {
		return
	}
	c.each(append(at, "servers"), s["servers"], "objects with addresses or certificates", c.server)
	c.each(append(at, "windows"), s["windows"], "objects with from and until", c.window)
	c.each(append(at, "networks"), s["networks"], "prefixes or addresses", c.entry("network", c.network))
	c.each(append(at, "users"), s["users"], "user names", c.entry("user", c.user))
	c.each(append(at, "certificates"), s["certificates"], "SHA-256 hashes", c.entry("certificate", c.certificate))
}

// entry checks what is either plain or an object that holds it under that key.
func (c *checker) entry(key string, plain func(dataPath, any)) func(dataPath, any) {
	return func(at dataPath, v any) {
		if _, ok := v.(map[string]any); !ok {
			plain(at, v)
			return
		}
		if e, ok := c.object(at, v, key, "expires", "note"); ok {
			if v, ok := c.need(at, e, key); ok {
				plain(append(at, key), v)
			}
			c.remarks(at, e)
		}
	}
}

func (c *checker) server(at dataPath, v any) {
	e, ok := c.object(at, v, "name", "addresses", "certificates", "expires", "note")
	if !ok {
		return
	}
	if v, ok := e["name"]; ok {
		c.serverName(append(at, "name"), v)
	}
	c.each(append(at, "addresses"), e["addresses"], "prefixes or addresses", c.network)
	c.each(append(at, "certificates"), e["certificates"], "SHA-256 hashes", c.certificate)
	if empty(e["addresses"]) && empty(e["certificates"]) {
		problem := "neither addresses nor certificates are there, so it sanctions nothing"
		if e["name"] != nil {
			problem = "a name alone sanctions nothing, because the client chooses it"
		}
		c.wrong(at, problem, "add addresses or certificates")
	}
	c.remarks(at, e)
}

// empty says that v is nothing, or a list of nothing.
func empty(v any) bool {
	list, ok := v.([]any)
	return v == nil || ok && len(list) == 0
}

var hostName = regexp.MustCompile(`^(\*?\.)?[0-9A-Za-z_-]+(\.[0-9A-Za-z_-]+)*\.?$`)

func (c *checker) serverName(at dataPath, v any) {
	name, ok := c.text(at, v, "a server's name")
	if !ok {
		return
	}
	ascii := !strings.ContainsFunc(name, func(r rune) bool { return r > '~' })
	switch _, err := netip.ParseAddr(name); {
	case err == nil:
		c.wrong(at, shown(name)+" is an address", "put it into addresses, and leave name out")
	case !ascii:
		c.wrong(at, shown(name)+" is not as a client sends it", `write its ASCII form ("xn--...")`)
	case !hostName.MatchString(name):
		c.wrong(at, shown(name)+" is no name of a server", `write one such as "vpn.example.org", "*.example.org" for all below it, or ".example.org" for both`)
	}
}

func (c *checker) user(at dataPath, v any) { c.text(at, v, "a user's name") }

// network checks a prefix or an address.
func (c *checker) network(at dataPath, v any) {
	s, ok := c.text(at, v, "a prefix or an address")
	if !ok {
		return
	}
	address, bits, isPrefix := strings.Cut(s, "/")
	ip, err := netip.ParseAddr(address)
	switch {
	case err != nil:
		c.wrong(at, shown(s)+" is no prefix and no address", "write one such as 10.1.0.0/16, 10.1.2.3 or 2001:db8::/32")
		return
	case ip.Zone() != "":
		c.wrong(at, fmt.Sprintf("%s names an interface", s), fmt.Sprintf("write %s", ip.WithZone("")))
		return
	case ip.Is4In6():
		c.wrong(at, fmt.Sprintf("%s is an IPv4 address written as IPv6, which matches nothing", s), fmt.Sprintf("write %s", ip.Unmap()))
		return
	case !isPrefix:
		return
	}
	p, err := netip.ParsePrefix(s)
	switch {
	case err != nil:
		c.wrong(at, fmt.Sprintf("%s is no length of a prefix of %s", shown(bits), ip), fmt.Sprintf("write 0 to %d", ip.BitLen()))
	case p != p.Masked():
		c.wrong(at, fmt.Sprintf("%s has bits set beyond its prefix", s), fmt.Sprintf("write %s for the network, or %s for the one address", p.Masked(), ip))
	}
}

var hexHash = regexp.MustCompile(`^[0-9A-Fa-f]{64}$|^[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){31}$`)

// certificate checks a SHA-256, plain or with colons as openssl writes it.
func (c *checker) certificate(at dataPath, v any) {
	s, ok := c.text(at, v, "a SHA-256 hash")
	if !ok || hexHash.MatchString(s) {
		return
	}
	problem := shown(s) + " is no SHA-256: want 64 hexadecimal digits"
	if n := len(strings.ReplaceAll(s, ":", "")); n != 64 {
		problem += fmt.Sprintf(", got %d characters", n)
	}
	c.wrong(at, problem, "take it from `openssl x509 -noout -fingerprint -sha256`")
}

// remarks checks what any entry may have.
func (c *checker) remarks(at dataPath, e map[string]any) {
	if v, ok := e["note"]; ok {
		c.text(append(at, "note"), v, "a note")
	}
	if v, ok := e["expires"]; ok {
		c.expires(append(at, "expires"), v)
	}
}

func (c *checker) expires(at dataPath, v any) {
	s, ok := c.text(at, v, "a date")
	if !ok {
		return
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t, err = time.Parse(time.DateOnly, s)
	}
	switch {
	case err != nil:
		c.wrong(at, shown(s)+" is no date and no time", "write a day such as 2026-12-31, which counts to its end in UTC, or a time such as 2026-12-31T18:00:00+01:00")
	case !countable(t):
		c.wrong(at, s+" lies outside the years 1678 to 2261", "leave expires out for what does not expire")
	}
}

// countable says that t is one of the times that Rego, in nanoseconds since
// 1970, can count, and its next day too.
func countable(t time.Time) bool {
	return 1678 <= t.UTC().Year() && t.UTC().Year() <= 2261
}

// list gives the elements of a list; that of nothing is empty.
func (c *checker) list(at dataPath, v any, of string) []any {
	list, ok := v.([]any)
	if !ok && v != nil {
		remedy := "write a list of " + of
		if s, ok := v.(string); ok && len(s) <= maxShown {
			remedy += fmt.Sprintf("; of this one: [%q]", s)
		}
		c.wrong(at, "is "+kindOf(v), remedy)
	}
	return list
}

func (c *checker) each(at dataPath, v any, of string, check func(dataPath, any)) {
	for i, v := range c.list(at, v, of) {
		check(append(at, i), v)
	}
}

// object gives an object, and tells of the keys that are not known.
func (c *checker) object(at dataPath, v any, known ...string) (map[string]any, bool) {
	o, ok := v.(map[string]any)
	if !ok {
		c.wrong(at, "is "+kindOf(v), "write an object with "+listing(known, "or"))
		return nil, false
	}
	for _, key := range slices.Sorted(maps.Keys(o)) {
		if slices.Contains(known, key) {
			continue
		}
		remedy := "known are " + listing(known, "and")
		if meant := nearest.Word(key, known); meant != "" {
			remedy = fmt.Sprintf("did you mean %q?", meant)
		}
		c.wrong(append(at, key), "unknown key", remedy)
	}
	return o, true
}

// need gives the value of a key that must be there.
func (c *checker) need(at dataPath, o map[string]any, key string) (any, bool) {
	v, ok := o[key]
	if !ok {
		c.wrong(at, key+" is missing", "add it")
	}
	return v, ok
}

// text gives a text that is not empty.
func (c *checker) text(at dataPath, v any, of string) (string, bool) {
	s, ok := v.(string)
	switch number, isNumber := v.(json.Number); {
	case isNumber:
		c.wrong(at, "is a number, and "+of+" is a text", fmt.Sprintf("write it in quotes: %q", number))
	case !ok:
		c.wrong(at, "is "+kindOf(v), "write "+of)
	case strings.TrimSpace(s) == "":
		c.wrong(at, "is empty", "write "+of)
		ok = false
	case s != strings.TrimSpace(s):
		c.wrong(at, shown(s)+" has spaces at an end", "take them out")
		ok = false
	}
	return s, ok
}

// duration checks a span of time as Go writes it.
func (c *checker) duration(at dataPath, v any) {
	const such = `write a duration such as "10m", "90s" or "24h"`
	s, ok := v.(string)
	if !ok {
		c.wrong(at, "is "+kindOf(v), such)
		return
	}
	switch d, err := time.ParseDuration(s); {
	case err != nil:
		c.wrong(at, shown(s)+" is no duration", such)
	case d <= 0:
		c.wrong(at, shown(s)+" is no time at all", such+", or leave it out for none")
	}
}

func kindOf(v any) string {
	switch v.(type) {
	case nil:
		return "nothing"
	case bool:
		return "true or false"
	case string:
		return "a text"
	case []any:
		return "a list"
	case map[string]any:
		return "an object"
	default:
		return "a number"
	}
}
