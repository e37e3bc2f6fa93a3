package export

import (
	_ "embed"
	"fmt"
	"strings"

	"sstpwarden/inspect"
	"sstpwarden/inspect/httphead"
)

// zeekScript is what every export for Zeek has: it adds up the weights of what
// held, and gives notices.
//
//go:embed sstp.zeek
var zeekScript string

func zeek() engine {
	return engine{
		name: "zeek", title: "Zeek 6 and later", comment: "#",
		load: []string{
			"Save it as sstp.zeek in Zeek's site folder, and name it in local.zeek:",
			"  @load ./sstp.zeek",
			"Then zeek -a sstp.zeek says whether it is good. Zeek blocks nothing: it adds up the",
			"weights of the rules that hold, and gives a notice SSTPWarden::Confirmed on proof,",
			"SSTPWarden::Suspected where the sum is enough. What is missing below, the sizes of",
			"records above all, is missing in the sum too, for SSTP and against it.",
		},
		write: writeZeek,
	}
}

// A zeekEvent is where in a connection conditions are asked.
type zeekEvent int

const (
	onRequest zeekEvent = iota
	onResponse
	onHellos
	onChosen
	onCertificate
	zeekEvents
)

// zeekHandlers begin the functions that the script calls at these places.
var zeekHandlers = [zeekEvents]string{
	"function request(c: connection, method: string, path: string, fields: mime_header_list)",
	"function response(c: connection, method: string, path: string, asked: mime_header_list, fields: mime_header_list)",
	"function hellos(c: connection, name: string, offers: set[string], cipher: string)",
	"function chosen(c: connection, protocol: string)",
	"function certificate(c: connection, cert: X509::Info)",
}

// writeZeek puts the table of rules and their conditions into the script.
func writeZeek(d *document) {
	made := make(map[string]*translation, len(d.rules))
	conditions := make(map[string]string, len(d.rules))
	places := make(map[string]zeekEvent, len(d.rules))
	for i := range d.rules {
		r := &d.rules[i]
		condition, place, reason := zeekCondition(r)
		conditions[r.ID], places[r.ID] = condition, place
		made[r.ID] = &translation{reason: reason}
	}
	required(d.rules, made)
	var table strings.Builder
	var handlers [zeekEvents]strings.Builder
	for i := range d.rules {
		r := &d.rules[i]
		if reason := made[r.ID].reason; reason != "" {
			d.leaveOut(r.ID, reason)
			continue
		}
		d.exported[r.ID] = true
		fmt.Fprintf(&table, "\t[%s] = Rule($weight=%d, $proof=%s, $about=%s", zeekString(r.ID), r.Weight, zeekBool(r.Proof), zeekString(printable(r.About)))
		if len(r.Requires) > 0 {
			fmt.Fprintf(&table, ", $requires=%s", zeekSet(present(r.Requires, made)))
		}
		if unless := present(r.Unless, made); len(unless) > 0 {
			fmt.Fprintf(&table, ", $unless=%s", zeekSet(unless))
		}
		table.WriteString("),\n")
		fmt.Fprintf(&handlers[places[r.ID]], "\tif ( %s )\n\t\theld(c, %s);\n", conditions[r.ID], zeekString(r.ID))
	}
	d.linef("")
	before, after, _ := strings.Cut(zeekScript, "# RULES\n")
	d.body.WriteString(before)
	d.linef("const suspected = %d &redef;", d.set.Settings().Suspected)
	d.linef("")
	d.linef("const rules: table[string] of Rule = {")
	d.body.WriteString(table.String())
	d.linef("} &redef;")
	helpers, events, _ := strings.Cut(after, "# HANDLERS\n")
	d.body.WriteString(helpers)
	for e := range zeekEvents {
		d.linef("%s", zeekHandlers[e])
		d.linef("\t{")
		d.body.WriteString(handlers[e].String())
		d.linef("\t}")
		d.linef("")
	}
	d.body.WriteString(strings.TrimPrefix(events, "\n"))
}

// zeekString writes a string of a script.
func zeekString(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c < ' ' || c >= 0x7f:
			fmt.Fprintf(&b, `\x%02x`, c)
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}

func zeekSet(list []string) string {
	var out []string
	for _, s := range list {
		out = append(out, zeekString(s))
	}
	return "set(" + strings.Join(out, ", ") + ")"
}

func zeekBool(b bool) string {
	if b {
		return "T"
	}
	return "F"
}

// zeekPattern is the dialect of Zeek's patterns.
var zeekPattern = dialect{func(c byte) string {
	if c == ' ' || c == '-' || c == '_' || c == ',' {
		return "[" + string(c) + "]"
	}
	return fmt.Sprintf(`\x%02x`, c)
}, ".*"}

// zeekGlobs matches text in lower case with patterns in lower case.
func zeekGlobs(text string, list []string) string {
	p := either(list, func(s string) string { return zeekPattern.glob(strings.ToLower(s)) })
	return fmt.Sprintf("/%s/ == to_lower(%s)", p, text)
}

// zeekLower compares text without regard to case.
func zeekLower(text string, list []string) string {
	var out []string
	for _, s := range list {
		out = append(out, strings.ToLower(s))
	}
	return fmt.Sprintf("to_lower(%s) in %s", text, zeekSet(out))
}

// zeekNames asks whether a name is one of a list, or below one.
func zeekNames(text string, list []string) string {
	var out []string
	for _, s := range list {
		if s == "-" {
			out = append(out, text+` == ""`)
		} else {
			out = append(out, fmt.Sprintf("named(%s, %s)", text, zeekString(strings.ToLower(s))))
		}
	}
	return "( " + strings.Join(out, " || ") + " )"
}

// zeekCondition writes what a rule asks for, and says where it can be asked.
func zeekCondition(r *inspect.Rule) (condition string, place zeekEvent, reason string) {
	m := &r.Match
	if r.Weight == 0 && !r.Proof && len(r.TakesBack) == 0 {
		return "", 0, "weighs nothing"
	}
	if reason := beyond(r); reason != "" {
		return "", 0, reason
	}
	var all []string
	switch {
	case m.Connect != nil:
		all, place, reason = zeekHead(m.Connect, true)
	case m.HTTP != nil:
		all, place, reason = zeekHead(m.HTTP, false)
	case m.Hello != nil:
		all, place, reason = zeekHello(m.Hello)
	case m.Certificate != nil:
		all, place, reason = zeekCertificate(m.Certificate)
	case m.SSTP != nil:
		reason = "asks for messages of SSTP, for which Zeek has no parser"
	default:
		reason = sizes + ", which Zeek tells one by one: following them is sstpwarden's work"
	}
	return strings.Join(all, " && "), place, reason
}

func zeekHead(m *inspect.HeadMatch, connect bool) (all []string, place zeekEvent, reason string) {
	if reason := beyondHead(m); reason != "" {
		return nil, 0, reason
	}
	add := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	fields := "fields"
	if asksResponse(m) {
		place, fields = onResponse, "asked"
	}
	switch {
	case m.Method != nil:
		add("%s", zeekLower("method", m.Method))
	case connect:
		add(`method == "CONNECT"`)
	default:
		add(`method != "CONNECT"`)
	}
	if m.Path != nil {
		add("%s", zeekLower("path", m.Path))
	}
	if m.ContentLength != nil {
		add("has_field(%s, set(\"contentlength\"), /0*%d/)", fields, *m.ContentLength)
	}
	if m.Header != nil {
		var names []string
		for _, n := range m.Header {
			names = append(names, httphead.NormalizedName(n))
		}
		value := ".*"
		if m.Value != nil {
			value = either(m.Value, func(s string) string { return zeekPattern.glob(strings.ToLower(s)) })
		}
		if m.ValueLength == nil {
			add("has_field(%s, %s, /%s/)", fields, zeekSet(names), value)
		}
		var lengths []string
		for _, l := range m.ValueLength {
			lengths = append(lengths, fmt.Sprintf("has_field(%s, %s, /%s/, %d, %d)", fields, zeekSet(names), value, l.Lo, l.Hi))
		}
		if lengths != nil {
			add("( %s )", strings.Join(lengths, " || "))
		}
	}
	if m.HeaderOrder != nil {
		add("field_order(%s) in %s", fields, zeekSet(orders(m.HeaderOrder)))
	}
	if m.Status != nil {
		var statuses []string
		for _, s := range m.Status {
			statuses = append(statuses, fmt.Sprintf("( c$http$status_code >= %d && c$http$status_code <= %d )", max(s.Lo, 100), min(s.Hi, maxStatus)))
		}
		add("( %s )", strings.Join(statuses, " || "))
	}
	if m.Reason != nil {
		add("c$http$status_msg == %s", zeekString(*m.Reason))
	}
	if m.Server != nil {
		add(`has_field(fields, set("server"), /%s/)`, either(m.Server, func(s string) string { return zeekPattern.glob(strings.ToLower(s)) }))
	}
	if m.ResponseOrder != nil {
		add("field_order(fields) in %s", zeekSet(orders(m.ResponseOrder)))
	}
	return all, place, ""
}

func orders(lists []string) []string {
	var out []string
	for _, l := range lists {
		out = append(out, strings.Join(order(l), ","))
	}
	return out
}

func zeekHello(m *inspect.HelloMatch) (all []string, place zeekEvent, reason string) {
	switch {
	case m.JA3 != nil || m.JA4 != nil || m.JA3S != nil:
		return nil, 0, "asks for a fingerprint of the hello, and Zeek makes neither JA3 nor JA4 without a package"
	case m.Chosen != nil && (m.SNI != nil || m.Offers != nil || m.Anonymous):
		return nil, 0, "asks about both hellos together"
	case m.Chosen != nil:
		return []string{"protocol in " + zeekSet(m.Chosen)}, onChosen, ""
	}
	if m.SNI != nil {
		all = append(all, zeekNames("name", m.SNI))
	}
	if m.Offers != nil {
		var out []string
		for _, o := range m.Offers {
			if o == "-" {
				out = append(out, "|offers| == 0")
			} else {
				out = append(out, zeekString(o)+" in offers")
			}
		}
		all = append(all, "( "+strings.Join(out, " || ")+" )")
	}
	if m.Anonymous {
		all = append(all, "/_anon_/ in cipher")
	}
	return all, onHellos, ""
}

func zeekCertificate(m *inspect.CertificateMatch) (all []string, place zeekEvent, reason string) {
	switch {
	case m.EKUs != nil || m.SubjectRepeated || m.ADCS:
		return nil, 0, "asks for purposes, a repeated subject or extensions of the certificate, which Zeek does not take apart"
	case m.SHA256 != nil:
		all = append(all, zeekLower("cert$fingerprint", m.SHA256))
	}
	const cn = `( cert$certificate?$cn ? cert$certificate$cn : "" )`
	if m.Subject != nil {
		all = append(all, zeekGlobs(cn, m.Subject))
	}
	if m.Issuer != nil {
		all = append(all, zeekGlobs("common_name(cert$certificate$issuer)", m.Issuer))
	}
	if m.Name != nil {
		all = append(all, "any_named(cert, "+zeekSet(lowered(m.Name))+")")
	}
	if m.SelfSigned {
		all = append(all, "cert$certificate$subject == cert$certificate$issuer")
	}
	if m.CA {
		all = append(all, "cert?$basic_constraints && cert$basic_constraints$ca")
	}
	return all, onCertificate, ""
}

func lowered(list []string) []string {
	var out []string
	for _, s := range list {
		out = append(out, strings.ToLower(s))
	}
	return out
}
