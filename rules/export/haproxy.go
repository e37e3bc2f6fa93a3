package export

import (
	"fmt"
	"strings"

	"sstpwarden/inspect"
)

func haproxy() engine {
	return engine{
		name: "haproxy", title: "HAProxy 2.6 and later", comment: "#",
		load: []string{
			"Save it as /etc/haproxy/sstp.cfg, and load it before the rest:",
			"  haproxy -f /etc/haproxy/sstp.cfg -f /etc/haproxy/haproxy.cfg",
			"A frontend takes the rules over as its defaults, and gives its own timeouts:",
			"  frontend proxy from sstpwarden-http      # in front of an HTTP proxy, or after TLS was opened",
			"Then haproxy -c with the same files says whether it is good. A backend must have",
			"other defaults. Rules that do not block are noted: %[var(txn.sstp)] in a log-format",
			"prints their ids, %[var(sess.sstp)] in mode tcp. SSTP's own Content-Length of 2^64-1",
			"HAProxy refuses by itself.",
			"Lines that begin with #tls# are for a frontend in mode tcp that passes TLS on. They",
			"have to stand in that frontend: in defaults, HAProxy 2.6 does not find the names.",
			"  sed -n 's/^#tls# //p' sstp.cfg",
		},
		write: writeHAProxy,
	}
}

func writeHAProxy(d *document) {
	rules := make([]haproxyRule, len(d.rules))
	for i := range d.rules {
		h := &rules[i]
		h.rule = &d.rules[i]
		h.reason = beyondProxy(h.rule)
		if h.reason == "" {
			h.reason = h.make()
		}
		if h.reason != "" {
			d.leaveOut(h.rule.ID, h.reason)
		}
	}
	d.linef("")
	d.linef("defaults sstpwarden-http")
	d.linef("    mode http")
	for i := range rules {
		if h := &rules[i]; h.reason == "" && !h.hello {
			h.write(d)
		}
	}
	d.linef("")
	d.linef("#tls#     tcp-request inspect-delay 5s")
	for i := range rules {
		if h := &rules[i]; h.reason == "" && h.hello {
			h.write(d)
		}
	}
	d.linef("")
	d.linef("#tls#     tcp-request content accept if { req.ssl_hello_type 1 }")
}

// A haproxyRule is what HAProxy makes of a rule.
type haproxyRule struct {
	rule     *inspect.Rule
	reason   string
	acls     []string
	request  []string // the ACLs that must all hold of the request, or the hello
	response []string // and of the response
	hello    bool
	limits   limits
}

func (h *haproxyRule) write(d *document) {
	block := d.blocking(h.rule, h.limits)
	how := "noted"
	if block {
		how = "blocks"
	}
	d.begin(h.rule, how, h.limits)
	for _, a := range h.acls {
		if h.hello {
			a = "#tls#     " + a
		} else {
			a = "    " + a
		}
		d.linef("%s", a)
	}
	id := h.rule.ID
	request, response := strings.Join(h.request, " "), strings.Join(h.response, " ")
	switch {
	case h.hello:
		d.linef(`#tls#     tcp-request content set-var-fmt(sess.sstp) "%%[var(sess.sstp)] %s" if %s`, id, request)
		if block {
			d.linef("#tls#     tcp-request content reject if %s", request)
		}
	case response == "":
		d.linef(`    http-request set-var-fmt(txn.sstp) "%%[var(txn.sstp)] %s" if %s`, id, request)
		if block {
			d.linef("    http-request deny deny_status 403 if %s", request)
		}
	default:
		variable := "txn.sstp_asked." + id
		if request != "" {
			d.linef("    http-request set-var(%s) bool(true) if %s", variable, request)
			response = fmt.Sprintf("{ var(%s) -m bool } %s", variable, response)
		}
		d.linef(`    http-response set-var-fmt(txn.sstp) "%%[var(txn.sstp)] %s" if %s`, id, response)
		if block {
			d.linef("    http-response deny deny_status 403 if %s", response)
		}
	}
}

// acl adds lines of an ACL of which one must hold, and gives its name.
func (h *haproxyRule) acl(part string, criteria ...string) string {
	name := "sstp-" + part + "-" + h.rule.ID
	for _, c := range criteria {
		h.acls = append(h.acls, "acl "+name+" "+c)
	}
	return name
}

// quoted puts words in quotes in which nothing has a meaning.
func quoted(list []string) string {
	var out []string
	for _, s := range list {
		out = append(out, "'"+s+"'")
	}
	return strings.Join(out, " ")
}

func (h *haproxyRule) make() (reason string) {
	switch m := &h.rule.Match; {
	case m.Hello != nil:
		h.hello = true
		return h.helloOf(m.Hello)
	case m.Connect != nil:
		return h.head(m.Connect, true)
	default:
		return h.head(m.HTTP, false)
	}
}

func (h *haproxyRule) helloOf(m *inspect.HelloMatch) (reason string) {
	names, none := hostNames(m.SNI)
	switch {
	case m.JA3 != nil || m.JA4 != nil || m.JA3S != nil:
		return "asks for a fingerprint of the hello, and HAProxy makes neither JA3 nor JA4"
	case m.Chosen != nil || m.Anonymous:
		return "asks for what the server chose, which is not seen when the hello is judged"
	case !words(names, m.Offers):
		return "asks for a server name or a protocol that is none"
	}
	h.request = []string{"{ req.ssl_hello_type 1 }"}
	if len(names) > 0 {
		var criteria []string
		for _, n := range names {
			if strings.HasPrefix(n, ".") {
				criteria = append(criteria, "req.ssl_sni -m end -i "+n)
			}
			criteria = append(criteria, "req.ssl_sni -m str -i "+strings.TrimPrefix(n, "."))
		}
		if none {
			h.limits.narrower = append(h.limits.narrower, "hellos without a name are not asked for beside names")
		}
		h.request = append(h.request, h.acl("name", criteria...))
	} else if none {
		h.request = append(h.request, "!"+h.acl("name", "req.ssl_sni -m found"))
	}
	var offers []string
	noALPN := false
	for _, o := range m.Offers {
		if o == "-" {
			noALPN = true
		} else {
			offers = append(offers, "req.ssl_alpn -m reg '(^|,)"+extended.text(o)+"(,|$)'")
		}
	}
	if len(offers) > 0 {
		if noALPN {
			h.limits.narrower = append(h.limits.narrower, "hellos without ALPN are not asked for beside protocols")
		}
		h.request = append(h.request, h.acl("alpn", offers...))
	} else if noALPN {
		h.request = append(h.request, "!"+h.acl("alpn", "req.ssl_alpn -m found"))
	}
	return ""
}

func (h *haproxyRule) head(m *inspect.HeadMatch, connect bool) (reason string) {
	switch {
	case m.Reason != nil:
		return "asks for a response's reason phrase, which cannot be fetched"
	case m.HeaderOrder != nil || m.ResponseOrder != nil:
		h.limits.wider = append(h.limits.wider, "the spelling of the headers is not compared")
	}
	ask := func(part string, criteria ...string) { h.request = append(h.request, h.acl(part, criteria...)) }
	switch {
	case m.Method != nil:
		ask("method", "method -m str -i "+strings.Join(m.Method, " "))
	case connect:
		ask("method", "method CONNECT")
	case asksRequest(m):
		h.request = append(h.request, "!METH_CONNECT")
	}
	if m.Path != nil {
		ask("path", "path -m reg -i '^"+either(m.Path, extended.text)+"$'")
	}
	if m.ContentLength != nil {
		ask("length", fmt.Sprintf("req.hdr(content-length) -m reg '^0*%d$'", *m.ContentLength))
	}
	if m.Header != nil {
		ask("header", h.header(m)...)
	}
	if m.HeaderOrder != nil {
		ask("order", "req.hdr_names -m reg -i "+quoted([]string{"^" + either(m.HeaderOrder, orderExpression) + "$"}))
	}
	answer := func(part, criterion string) { h.response = append(h.response, h.acl(part, criterion)) }
	if m.Status != nil {
		answer("status", "status "+numbers(m.Status, ":"))
	}
	if m.Server != nil {
		answer("server", "res.fhdr(server) -m reg -i '^"+either(m.Server, extended.glob)+"$'")
	}
	if m.ResponseOrder != nil {
		answer("answered", "res.hdr_names -m reg -i "+quoted([]string{"^" + either(m.ResponseOrder, orderExpression) + "$"}))
	}
	return ""
}

func orderExpression(list string) string { return extended.text(strings.Join(order(list), ",")) }

func (h *haproxyRule) header(m *inspect.HeadMatch) []string {
	var criteria []string
	for _, name := range m.Header {
		if m.Value == nil && m.ValueLength == nil {
			criteria = append(criteria, "req.hdr_names -m reg -i '(^|,)"+extended.loose(name)+"(,|$)'")
			continue
		}
		for _, s := range spellings(name) {
			value := "-m reg -i '^" + either(m.Value, extended.glob) + "$'"
			if m.ValueLength != nil {
				value = "-m reg '^" + lengthsOf(m.ValueLength) + "$'"
			}
			criteria = append(criteria, fmt.Sprintf("req.fhdr(%s) %s", s, value))
		}
	}
	return criteria
}
