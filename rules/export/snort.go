package export

import (
	"fmt"
	"strings"

	"sstpwarden/inspect"
)

func snort() engine {
	s := &signer{
		block:    "block",
		quiet:    "flowbits:noalert",
		request:  snortRequest,
		response: snortResponse,
		hello:    snortHello,
		certificate: func(*inspect.CertificateMatch) (signature, limits, string) {
			return signature{}, limits{}, certificates
		},
		names:   snortNames,
		record:  snortRecord,
		other:   snortOther,
		control: snortControl,
	}
	return engine{
		name: "snort", title: "Snort 3", comment: "#",
		load: []string{
			"Save it as sstp.rules, and name it in snort.lua:",
			"  ips = { include = 'sstp.rules' }",
			"Then snort -c snort.lua -T says whether it is good. Blocking rules block inline and",
			"alert otherwise; sed s/^block/alert/ has them alert everywhere. A rev is a checksum",
			"of its rule, not a count.",
		},
		write: s.sign,
	}
}

func snortRequest(m *inspect.HeadMatch, connect bool) (signature, limits) {
	var options []string
	switch {
	case m.Method != nil:
		options = append(options, fmt.Sprintf(`http_method; content:"%s",nocase`, content(m.Method[0])), `pcre:"/^`+pcre.text(m.Method[0])+`$/i"`)
	case connect:
		options = append(options, `http_method; content:"CONNECT",nocase`)
	}
	if m.Path != nil {
		options = append(options, fmt.Sprintf(`http_raw_uri; content:"%s",nocase`, content(m.Path[0])), `pcre:"/^`+pcre.text(m.Path[0])+`(?:\?|$)/i"`)
	}
	line := func(name, value string) {
		options = append(options, "http_raw_header", `pcre:"/(?:^|\n)`+name+`\x3a[ \t]*`+value+`[ \t]*(?:\r?\n|$)/i"`)
	}
	if m.ContentLength != nil {
		line("Content-Length", fmt.Sprintf("0*%d", *m.ContentLength))
	}
	if m.Header != nil {
		line(pcre.loose(m.Header[0]), snortValue(m))
	}
	if m.HeaderOrder != nil {
		options = append(options, "http_raw_header", snortOrder(m.HeaderOrder[0]))
	}
	return signature{proto: "http", options: options}, limits{}
}

// snortValue is headerValue for a buffer that may end with the value.
func snortValue(m *inspect.HeadMatch) string {
	return strings.ReplaceAll(headerValue(m), `[ \t]*\r?\n)`, `[ \t]*(?:\r?\n|$))`)
}

func snortOrder(list string) string {
	var names []string
	for _, name := range order(list) {
		names = append(names, pcre.text(name)+`\x3a[^\r\n]*`)
	}
	return `pcre:"/^` + strings.Join(names, `\r?\n`) + `[\r\n]*$/"`
}

func snortResponse(m *inspect.HeadMatch, _ bool) (signature, limits) {
	var options []string
	if m.Status != nil {
		options = append(options, "http_stat_code", `pcre:"/^`+statuses(m.Status)+`$/"`)
	}
	var l limits
	if m.Reason != nil {
		if *m.Reason == "" {
			l.wider = append(l.wider, "the status may have a reason phrase: an empty one cannot be asked for")
		} else {
			options = append(options, "http_stat_msg", `pcre:"/^`+pcre.text(*m.Reason)+`$/"`)
		}
	}
	if m.Server != nil {
		options = append(options, "http_raw_header", `pcre:"/(?:^|\n)Server\x3a[ \t]*`+pcre.glob(m.Server[0])+`[ \t]*(?:\r?\n|$)/i"`)
	}
	if m.ResponseOrder != nil {
		options = append(options, "http_raw_header", snortOrder(m.ResponseOrder[0]))
	}
	return signature{proto: "http", options: options}, l
}

// snortNames parts a name and all below it, which are two things to ask for in
// the bytes of a hello.
func snortNames(list []string) []string {
	var out []string
	for _, name := range list {
		if strings.HasPrefix(name, ".") {
			out = append(out, name[1:])
		}
		out = append(out, name)
	}
	return out
}

func snortHello(m *inspect.HelloMatch) (signature, limits, string) {
	g := signature{proto: "tcp", flow: "to_server"}
	var l limits
	switch {
	case m.JA3 != nil || m.JA4 != nil || m.JA3S != nil:
		return g, l, "asks for a fingerprint of the hello, and Snort makes neither JA3 nor JA4"
	case m.Offers != nil || m.Chosen != nil || m.Anonymous:
		return g, l, "asks for ALPN or the cipher suite, which Snort has no option for"
	case m.SNI == nil:
		return g, l, "asks nothing of the server name"
	case m.SNI[0] == "-":
		return g, l, "asks for a hello without a server name, and no option says that it is missing"
	}
	name := m.SNI[0]
	// A handshake record with a ClientHello, and in it the name behind its
	// type and its length (RFC 6066, Section 3).
	g.options = []string{`content:"|16 03|",depth 2`, `content:"|01|",offset 5,depth 1`}
	if strings.HasPrefix(name, ".") {
		l.wider = append(l.wider, "text below another name is taken for a server name wherever it stands in the hello")
	} else {
		name = string([]byte{0, byte(len(name) >> 8), byte(len(name))}) + name
	}
	g.options = append(g.options, fmt.Sprintf(`content:"%s",nocase`, content(name)))
	return g, l, ""
}

func snortRecord(s inspect.Size) signature {
	g := signature{proto: "tcp"}
	if s.Exact() {
		g.options = []string{fmt.Sprintf(`content:"|%s %02X %02X|",depth 5`, recordStart, s.Lo>>8, s.Lo&0xff)}
		return g
	}
	g.options = []string{
		fmt.Sprintf(`content:"|%s|",depth 3`, recordStart),
		fmt.Sprintf("byte_test:2,>=,%d,3", s.Lo), fmt.Sprintf("byte_test:2,<=,%d,3", s.Hi),
	}
	return g
}

func snortOther(length int) signature {
	return signature{proto: "tcp", options: []string{
		fmt.Sprintf(`content:"|%s|",depth 3`, recordStart),
		fmt.Sprintf(`content:!"|%s %02X %02X|",depth 5`, recordStart, length>>8, length&0xff),
	}}
}

func snortControl(message int) signature {
	g := suricataControl(message)
	g.proto, g.options[0] = "tcp", `content:"|10 01|",depth 2`
	return g
}
