package export

import (
	"fmt"
	"strings"

	"sstpwarden/inspect"
)

func squid() engine {
	return engine{
		name: "squid", title: "Squid 4 and later", comment: "#",
		load: []string{
			"Save it as /etc/squid/sstp.conf, and put this in squid.conf before the first",
			"http_access line:",
			"  include /etc/squid/sstp.conf",
			"Then squid -k parse says whether it is good, and squid -k reconfigure loads it.",
			"Rules that do not block are noted: %note{sstp} in a logformat prints their ids.",
			"SSTP's own Content-Length of 2^64-1 Squid refuses by itself.",
			"Headers are compared in the usual spellings: SSTPVERSION, SSTP-VERSION, SSTP_VERSION.",
			"Lines that begin with #ssl# read the hello itself. They need squid-openssl with",
			"ssl_bump, and peek at step 1 before them; sed 's/^#ssl# //' switches them on.",
		},
		write: writeSquid,
	}
}

func writeSquid(d *document) {
	var hello []string // what needs SslBump
	d.linef("")
	d.linef("acl sstp-connect method CONNECT")
	for i := range d.rules {
		r := &d.rules[i]
		reason := beyondProxy(r)
		q := squidRule{rule: r}
		if reason == "" {
			reason = q.make()
		}
		if reason != "" {
			d.leaveOut(r.ID, reason)
			continue
		}
		block := d.blocking(r, q.limits)
		how := "noted"
		if block {
			how = "blocks"
		}
		d.begin(r, how, q.limits)
		for _, l := range q.acls {
			d.linef("%s", l)
		}
		condition := strings.Join(q.all, " ")
		d.linef("note sstp %s %s", r.ID, condition)
		switch {
		case block && q.response:
			d.linef("http_reply_access deny %s", condition)
		case block:
			d.linef("http_access deny %s", condition)
		}
		hello = append(hello, q.hello...)
		if len(q.hello) > 0 && block {
			hello = append(hello, fmt.Sprintf("ssl_bump terminate sstp-hello-%s", aclName(r.ID)))
		} else if len(q.hello) > 0 {
			hello = append(hello, fmt.Sprintf("note sstp %s sstp-hello-%s", r.ID, aclName(r.ID)))
		}
	}
	if len(hello) > 0 {
		d.linef("")
		for _, l := range hello {
			d.linef("#ssl# %s", l)
		}
	}
}

// maxACLName is how much of a rule's id an ACL's name takes: Squid wants less
// than 64 characters in all.
const maxACLName = 40

func aclName(id string) string {
	if len(id) <= maxACLName {
		return id
	}
	return fmt.Sprintf("%s-%08x", id[:maxACLName-9], digest(id))
}

// A squidRule is what Squid makes of a rule.
type squidRule struct {
	rule     *inspect.Rule
	acls     []string // lines
	all      []string // the ACLs that must all hold
	hello    []string // lines that need SslBump
	response bool
	limits   limits
}

// acl adds an ACL that must hold.
func (q *squidRule) acl(part, format string, args ...any) {
	name := "sstp-" + part + "-" + aclName(q.rule.ID)
	q.acls = append(q.acls, "acl "+name+" "+fmt.Sprintf(format, args...))
	q.all = append(q.all, name)
}

func (q *squidRule) make() (reason string) {
	switch m := &q.rule.Match; {
	case m.Hello != nil:
		return q.name(m.Hello)
	case m.Connect != nil:
		return q.head(m.Connect, true)
	default:
		return q.head(m.HTTP, false)
	}
}

// name asks for server names: of CONNECTs, and in what needs SslBump of hellos.
func (q *squidRule) name(m *inspect.HelloMatch) (reason string) {
	names, none := hostNames(m.SNI)
	switch {
	case m.JA3 != nil || m.JA4 != nil || m.JA3S != nil:
		return "asks for a fingerprint of the hello, and Squid makes neither JA3 nor JA4"
	case m.Offers != nil || m.Chosen != nil || m.Anonymous:
		return "asks for ALPN or the cipher suite, for which there is no ACL"
	case !words(names):
		return "asks for a server name that is none"
	case none:
		names = append(names, "none")
		if len(names) == 1 {
			return "asks for a hello without a server name, and a CONNECT has one"
		}
	}
	if none {
		q.limits.narrower = append(q.limits.narrower, "hellos without a name are not seen")
		names = names[:len(names)-1]
	}
	q.limits.narrower = append(q.limits.narrower, "the name is the one that the CONNECT or the URL gives")
	q.acl("name", "dstdomain %s", strings.Join(names, " "))
	q.hello = []string{fmt.Sprintf("acl sstp-hello-%s ssl::server_name %s", aclName(q.rule.ID), strings.Join(names, " "))}
	return ""
}

func (q *squidRule) head(m *inspect.HeadMatch, connect bool) (reason string) {
	switch {
	case m.HeaderOrder != nil || m.ResponseOrder != nil:
		return "asks for the order of headers, for which there is no ACL"
	case m.Reason != nil:
		return "asks for a response's reason phrase, for which there is no ACL"
	}
	switch {
	case m.Method != nil:
		q.acl("method", "method %s", strings.ToUpper(strings.Join(m.Method, " ")))
	case connect:
		q.all = append(q.all, "sstp-connect")
	default:
		q.all = append(q.all, "!sstp-connect")
	}
	if m.Path != nil {
		q.acl("path", "urlpath_regex -i %s", "^"+either(m.Path, extended.text)+"([?]|$)")
	}
	if m.ContentLength != nil {
		q.acl("length", "req_header Content-Length ^0*%d$", *m.ContentLength)
	}
	if m.Header != nil {
		q.header(m)
	}
	if asksResponse(m) {
		q.response = true
		if m.Status != nil {
			q.acl("status", "http_status %s", numbers(m.Status, "-"))
		}
		if m.Server != nil {
			q.acl("server", "rep_header Server -i %s", "^"+either(m.Server, extended.glob)+"$")
		}
	}
	return ""
}

// header asks for any of the spellings of any of the headers.
func (q *squidRule) header(m *inspect.HeadMatch) {
	value := ".*"
	switch {
	case m.Value != nil:
		value = "^" + either(m.Value, extended.glob) + "$"
	case m.ValueLength != nil:
		value = "^" + lengthsOf(m.ValueLength) + "$"
	}
	var names []string
	for _, name := range m.Header {
		for _, s := range spellings(name) {
			n := fmt.Sprintf("sstp-header%d-%s", len(names)+1, aclName(q.rule.ID))
			q.acls = append(q.acls, fmt.Sprintf("acl %s req_header %s -i %s", n, s, value))
			names = append(names, n)
		}
	}
	q.acl("header", "any-of %s", strings.Join(names, " "))
}

// lengthsOf writes an expression for text of some lengths.
func lengthsOf(l inspect.Lengths) string {
	var out []string
	for _, s := range l {
		out = append(out, "."+repeat(s))
	}
	return "(" + strings.Join(out, "|") + ")"
}

// numbers writes statuses as single ones and ranges.
func numbers(l inspect.Lengths, to string) string {
	var out []string
	for _, s := range l {
		lo, hi := max(s.Lo, 100), min(s.Hi, maxStatus)
		if lo == hi {
			out = append(out, fmt.Sprint(lo))
		} else {
			out = append(out, fmt.Sprintf("%d%s%d", lo, to, hi))
		}
	}
	return strings.Join(out, " ")
}
