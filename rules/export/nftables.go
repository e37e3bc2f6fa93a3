package export

import (
	"cmp"
	"fmt"
	"strings"

	"sstpwarden/inspect"
)

func nftables() engine {
	return engine{
		name: "nftables", title: "nftables 1.0.1 and Linux 5.16 or later", comment: "#",
		load: []string{
			"Save it as /etc/nftables.d/sstp.nft; nft -c -f says whether it is good, nft -f loads",
			"it, again too: it replaces its own table, inet sstpwarden_export, and no other.",
			"A packet filter compares bytes at fixed places of one packet. So this sees SSTP in",
			"clear, as behind what opens TLS, where a head or a message begins a packet; it does",
			"not see the headers of a CONNECT, and nothing inside TLS. For these there is",
			"sstpwarden nfq. Rules that do not block count and log, at most 10 a minute.",
		},
		write: writeNftables,
	}
}

func writeNftables(d *document) {
	var sets []string
	var rules strings.Builder
	for i := range d.rules {
		r := &d.rules[i]
		d.body.Reset()
		n := nftRule{rule: r}
		reason := cmp.Or(tellsNothing(r), beyond(r))
		if reason == "" {
			reason = n.make()
		}
		if reason != "" {
			d.leaveOut(r.ID, reason)
			continue
		}
		block := d.blocking(r, n.limits)
		how := "logs"
		if block {
			how = "blocks"
		}
		d.begin(r, how, n.limits)
		sets = append(sets, n.write(d, block)...)
		rules.Write(d.body.Bytes())
	}
	d.body.Reset()
	d.linef("")
	d.linef("add table inet sstpwarden_export")
	d.linef("delete table inet sstpwarden_export")
	d.linef("table inet sstpwarden_export {")
	for _, s := range sets {
		d.linef("\t%s", s)
	}
	d.linef("\tchain look {")
	for line := range strings.Lines(strings.TrimSpace(rules.String())) {
		line = strings.TrimSpace(line)
		if line == "" {
			d.linef("")
			continue
		}
		d.linef("\t\t%s", line)
	}
	d.linef("\t}")
	for _, hook := range []string{"input", "forward", "output"} {
		d.linef("")
		d.linef("\tchain %s {", hook)
		d.linef("\t\ttype filter hook %s priority filter - 5; policy accept;", hook)
		d.linef("\t\tmeta l4proto tcp jump look")
		d.linef("\t}")
	}
	d.linef("}")
}

// An nftRule is what nftables makes of a rule: matches of which one is to hold
// of a packet of the client, and of which one is to hold of one of the server.
// Where both are given, the client's comes first, and more are matches of
// answers after which it is forgotten.
type nftRule struct {
	rule           *inspect.Rule
	client, server []string
	other          string
	limits         limits
}

func (n *nftRule) make() (reason string) {
	switch m := &n.rule.Match; {
	case len(n.rule.Requires) > 0:
		return "holds only after another rule on the connection"
	case m.Connect != nil:
		return "asks about the head of a CONNECT, in which nothing that tells has a fixed place"
	case m.HTTP != nil:
		return n.head(m.HTTP)
	case m.SSTP != nil:
		return n.message(m.SSTP)
	case m.Dialogue != nil || m.Run != nil:
		return sizes + ", and a packet filter sees one packet"
	case m.Certificate != nil:
		return "asks about the certificate, in which nothing has a fixed place"
	}
	return "asks about the hello, in which nothing that tells has a fixed place"
}

// maxCompared is how many bytes of a packet nft compares at once.
const maxCompared = 16

// compared matches text at a place of the payload, letters in any case.
func compared(at int, text string) string {
	var out []string
	for len(text) > 0 {
		part := text[:min(maxCompared, len(text))]
		text = text[len(part):]
		var mask, want strings.Builder
		folds := false
		for i := range len(part) {
			c, m := part[i], byte(0xff)
			if letter(c) && c > '9' {
				c, m, folds = c&0xdf, 0xdf, true
			}
			fmt.Fprintf(&want, "%02x", c)
			fmt.Fprintf(&mask, "%02x", m)
		}
		match := fmt.Sprintf("@ih,%d,%d", 8*at, 8*len(part))
		if folds {
			match += " & 0x" + mask.String() + " =="
		}
		out = append(out, match+" 0x"+want.String())
		at += len(part)
	}
	return strings.Join(out, " ")
}

func (n *nftRule) head(m *inspect.HeadMatch) (reason string) {
	switch {
	case asksRequest(m) && m.Method == nil:
		return "asks for a part of the request that has no fixed place, behind a method of any length"
	case m.ContentLength != nil || m.Header != nil || m.HeaderOrder != nil || m.Server != nil || m.ResponseOrder != nil || m.Reason != nil:
		return "asks for headers or a reason phrase, which have no fixed place"
	}
	n.limits.narrower = append(n.limits.narrower, "a head that does not begin a packet is not seen")
	for _, method := range m.Method {
		start := method + " "
		if m.Path == nil {
			n.client = append(n.client, compared(0, start))
		}
		for _, path := range m.Path { // a space or a query follows
			n.client = append(n.client, compared(0, start+path)+fmt.Sprintf(" @ih,%d,8 { 0x20, 0x3f }", 8*len(start+path)))
		}
	}
	if m.Status != nil {
		const version = "HTTP/1."
		n.other = compared(0, version)
		var digits []string
		for _, s := range m.Status {
			lo, hi := max(s.Lo, 100), min(s.Hi, maxStatus)
			if lo == hi {
				digits = append(digits, fmt.Sprintf("0x%x", fmt.Sprint(lo)))
			} else {
				digits = append(digits, fmt.Sprintf("0x%x-0x%x", fmt.Sprint(lo), fmt.Sprint(hi)))
			}
		}
		n.server = []string{n.other + " @ih,64,8 0x20 @ih,72,24 { " + strings.Join(digits, ", ") + " }"}
	}
	return ""
}

func (n *nftRule) message(m *inspect.SSTPMatch) (reason string) {
	if reason := beyondMessages(m); reason != "" {
		return reason
	}
	types := fmt.Sprintf("1-%d", lastType)
	if t := messageType(m.Message); t != 0 {
		types = fmt.Sprint(t)
	}
	match := fmt.Sprintf("@ih,0,16 0x%x @ih,16,16 %d-%d @ih,32,16 %s @ih,48,16 0-%d", controlStart, leastControl, mostControl, types, mostAttributes)
	n.limits.narrower = append(n.limits.narrower, "a message that does not begin a packet is not seen")
	switch m.Control {
	case "client":
		n.client = []string{match}
	case "server":
		n.server = []string{match}
	case "both":
		n.client, n.server = []string{match}, []string{match}
		n.limits.narrower = append(n.limits.narrower, "the client's has to come first")
	default:
		n.client = []string{match}
		n.limits.narrower = append(n.limits.narrower, "only messages of the client are looked at")
	}
	return ""
}

// write writes the rules, and gives the sets that they need.
func (n *nftRule) write(d *document, block bool) (sets []string) {
	verdict := fmt.Sprintf(`limit rate 10/minute burst 5 packets counter log prefix "sstp %s: "`, shortened(n.rule.ID))
	if block {
		verdict = fmt.Sprintf(`counter reject with tcp reset comment "%s"`, shortened(n.rule.ID))
	}
	if len(n.client) == 0 || len(n.server) == 0 {
		direction, matches := "original", n.client
		if len(matches) == 0 {
			direction, matches = "reply", n.server
		}
		for _, m := range matches {
			d.linef("ct direction %s %s %s", direction, m, verdict)
		}
		return nil
	}
	for _, ip := range []struct{ version, family, address string }{{"4", "ip", "ipv4_addr"}, {"6", "ip6", "ipv6_addr"}} {
		set := fmt.Sprintf("asked%s_%s", ip.version, strings.ReplaceAll(shortened(n.rule.ID), ".", "-"))
		sets = append(sets, fmt.Sprintf("set %s { type %s . inet_service . %s . inet_service; size 65536; flags dynamic,timeout; timeout 1m; }", set, ip.address, ip.address))
		there := fmt.Sprintf("%s saddr . tcp sport . %[1]s daddr . tcp dport", ip.family)
		back := fmt.Sprintf("%s daddr . tcp dport . %[1]s saddr . tcp sport", ip.family)
		for _, m := range n.client {
			d.linef("ct direction original %s update @%s { %s }", m, set, there)
		}
		for _, m := range n.server {
			d.linef("ct direction reply %s %s @%s %s", m, back, set, verdict)
		}
		if n.other != "" {
			d.linef("ct direction reply %s delete @%s { %s }", n.other, set, back)
		}
	}
	return sets
}

// maxNftName is how much of a rule's id names in nftables take.
const maxNftName = 80

func shortened(id string) string {
	if len(id) <= maxNftName {
		return id
	}
	return fmt.Sprintf("%s-%08x", id[:maxNftName-9], digest(id))
}
