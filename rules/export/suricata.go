package export

import (
	"fmt"
	"strings"

	"sstpwarden/inspect"
)

func suricata() engine {
	s := &signer{
		block:       "drop",
		quiet:       "noalert",
		request:     suricataRequest,
		response:    suricataResponse,
		hello:       suricataHello,
		certificate: suricataCertificate,
		names:       func(list []string) []string { return list },
		record:      suricataRecord,
		other:       suricataOther,
		control:     suricataControl,
	}
	return engine{
		name: "suricata", title: "Suricata 7.0.3 and later", comment: "#",
		load: []string{
			"Save it as sstp.rules beside the other rules, and name it in suricata.yaml:",
			"  rule-files:",
			"    - sstp.rules",
			"Then suricata -T -S sstp.rules says whether it is good. Blocking rules are drop:",
			"inline they cut the connection, otherwise they alert; sed s/^drop/alert/ has them",
			"alert everywhere. Rules about the lengths of records need in suricata.yaml",
			"  app-layer: {protocols: {tls: {encryption-handling: full}}}",
			"or Suricata looks at no packet behind the handshake; JA3 and JA4 need ja3-fingerprints",
			"and ja4-fingerprints there (auto does). A rev is a checksum of its rule, not a count.",
		},
		write: s.sign,
	}
}

// nocase is content without regard to case.
func nocase(s string) string { return fmt.Sprintf(`content:"%s"; nocase`, content(s)) }

// whole is a buffer that is s and nothing else, without regard to case.
func whole(s string) string { return fmt.Sprintf(`%s; bsize:%d`, nocase(s), len(s)) }

func suricataRequest(m *inspect.HeadMatch, connect bool) (signature, limits) {
	if !connect {
		options := []string{}
		switch {
		case m.Method != nil:
			options = append(options, nocase(m.Method[0]+" "))
		case m.Path != nil:
			options = append(options, nocase(m.Path[0]))
		case m.ContentLength != nil:
			options = append(options, fmt.Sprintf(`content:"%d"`, *m.ContentLength))
		default:
			options = append(options, `content:"HTTP/1."`)
		}
		return signature{proto: "tcp-stream", options: append(options, `pcre:"/`+rawRequest(m)+`/i"`)}, limits{}
	}
	method := "CONNECT"
	if m.Method != nil {
		method = m.Method[0]
	}
	options := []string{"http.method; " + whole(method)}
	if m.Path != nil {
		options = append(options, "http.uri.raw", nocase(m.Path[0])+"; startswith", `pcre:"/^`+pcre.text(m.Path[0])+`(?:\?|$)/i"`)
	}
	if m.HeaderOrder != nil {
		names := "\r\n" + strings.Join(order(m.HeaderOrder[0]), "\r\n") + "\r\n\r\n"
		options = append(options, fmt.Sprintf(`http.header_names; content:"%s"; bsize:%d`, content(names), len(names)))
	}
	if m.Header != nil && m.Value == nil && m.ValueLength == nil {
		options = append(options, "http.header_names", `pcre:"/\r\n`+pcre.loose(m.Header[0])+`\r\n/i"`)
	} else if m.Header != nil {
		options = append(options, "http.header", `pcre:"/(?:^|\n)`+pcre.loose(m.Header[0])+`\x3a[ \t]*`+headerValue(m)+`[ \t]*(?:\r?\n|$)/i"`)
	}
	if m.ContentLength != nil {
		options = append(options, "http.header", fmt.Sprintf(`pcre:"/(?:^|\n)Content-Length\x3a[ \t]*0*%d[ \t]*(?:\r?\n|$)/i"`, *m.ContentLength))
	}
	return signature{proto: "http", options: options}, limits{}
}

func suricataResponse(m *inspect.HeadMatch, _ bool) (signature, limits) {
	return signature{proto: "tcp-stream", options: []string{`content:"HTTP/1."`, `pcre:"/` + rawResponse(m) + `/i"`}}, limits{}
}

func suricataHello(m *inspect.HelloMatch) (signature, limits, string) {
	g := signature{proto: "tls", flow: "to_server"}
	server := m.JA3S != nil
	switch {
	case m.Anonymous:
		return g, limits{}, "asks for the cipher suite that the server chose, which no keyword gives"
	case m.Chosen != nil:
		return g, limits{}, "asks for the protocol that the server chose in ALPN, which no keyword gives"
	case server && (m.SNI != nil || m.JA3 != nil || m.JA4 != nil || m.Offers != nil):
		return g, limits{}, "asks about both hellos, of which a signature sees one"
	case m.Offers != nil && m.Offers[0] == "-":
		return g, limits{}, "asks for a hello without ALPN, and no keyword says that it is missing"
	case m.SNI != nil && m.SNI[0] == "-":
		return g, limits{}, "asks for a hello without a server name, and no keyword says that it is missing"
	}
	if m.Offers != nil {
		g.options = append(g.options, "requires:version >= 8.0.0", fmt.Sprintf(`tls.alpn; content:"%s"; bsize:%d`, content(m.Offers[0]), len(m.Offers[0])))
	}
	if m.JA4 != nil {
		g.options = append(g.options, "requires:feature ja4", "ja4.hash")
		pattern := strings.ToLower(m.JA4[0])
		if !strings.Contains(pattern, "*") {
			g.options = append(g.options, fmt.Sprintf(`content:"%s"; bsize:%d`, content(pattern), len(pattern)))
		} else {
			if l := longest(pattern); l != "" {
				g.options = append(g.options, fmt.Sprintf(`content:"%s"`, content(l)))
			}
			g.options = append(g.options, `pcre:"/^`+pcre.glob(pattern)+`$/"`)
		}
	}
	if m.JA3 != nil {
		g.options = append(g.options, fmt.Sprintf(`ja3.hash; content:"%s"`, content(strings.ToLower(m.JA3[0]))))
	}
	if m.SNI != nil {
		g.options = append(g.options, suricataName("tls.sni", m.SNI[0]))
	}
	if server {
		g.flow = "to_client"
		g.options = append(g.options, fmt.Sprintf(`ja3s.hash; content:"%s"`, content(strings.ToLower(m.JA3S[0]))))
	}
	return g, limits{}, ""
}

// suricataName asks for a host name, or one below another. The transformation
// puts a dot before the name, so that the other itself is one of these.
func suricataName(buffer, name string) string {
	if strings.HasPrefix(name, ".") {
		return buffer + "; dotprefix; " + nocase(name) + "; endswith"
	}
	return buffer + "; " + whole(name)
}

func suricataCertificate(m *inspect.CertificateMatch) (signature, limits, string) {
	g := signature{proto: "tls", flow: "to_client"}
	l := limits{narrower: []string{"TLS 1.3 hides the certificate"}}
	if m.SelfSigned || m.EKUs != nil || m.CA || m.SubjectRepeated || m.ADCS {
		return g, l, "asks for more of the certificate than its names and its hash, for which there is no keyword"
	}
	for _, field := range []struct {
		buffer string
		globs  []string
	}{{"tls.cert_subject", m.Subject}, {"tls.cert_issuer", m.Issuer}} {
		if field.globs != nil {
			g.options = append(g.options, field.buffer, `pcre:"/(?:^|, ?)CN=`+strings.ReplaceAll(pcre.glob(field.globs[0]), pcre.any, "[^,]*")+`(?:,|$)/i"`)
		}
	}
	if m.Name != nil {
		if m.Name[0] == "-" {
			return g, l, "asks for a certificate without a name, and no keyword says that it is missing"
		}
		l.wider = append(l.wider, "the name may stand anywhere in a certificate")
		g.options = append(g.options, "tls.certs; "+nocase(m.Name[0]))
	}
	if m.SHA256 != nil {
		g.options = append(g.options, "tls.certs; to_sha256; "+hexContent(m.SHA256[0])+"; bsize:32")
	}
	return g, l, ""
}

// hexContent writes content that a rule gives in hexadecimal.
func hexContent(digits string) string {
	var b strings.Builder
	for i := 0; i+1 < len(digits); i += 2 {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(digits[i : i+2])
	}
	return `content:"|` + b.String() + `|"`
}

// recordStart begins a record of application data: the type and the version
// (RFC 8446, Section 5.1).
const recordStart = "17 03 03"

func suricataRecord(s inspect.Size) signature {
	g := signature{proto: "tcp-pkt"}
	if s.Exact() {
		g.options = []string{fmt.Sprintf(`content:"|%s %02X %02X|"; startswith`, recordStart, s.Lo>>8, s.Lo&0xff)}
		return g
	}
	g.options = []string{
		fmt.Sprintf(`content:"|%s|"; startswith`, recordStart),
		fmt.Sprintf("byte_test:2,>=,%d,3", s.Lo), fmt.Sprintf("byte_test:2,<=,%d,3", s.Hi),
	}
	return g
}

func suricataOther(length int) signature {
	return signature{proto: "tcp-pkt", options: []string{
		fmt.Sprintf(`content:"|%s|"; startswith`, recordStart),
		fmt.Sprintf(`content:!"|%s %02X %02X|"; startswith`, recordStart, length>>8, length&0xff),
	}}
}

func suricataControl(message int) signature {
	g := signature{proto: "tcp-pkt", options: []string{
		`content:"|10 01|"; startswith`,
		fmt.Sprintf("byte_test:2,>=,%d,2", leastControl), fmt.Sprintf("byte_test:2,<=,%d,2", mostControl),
		fmt.Sprintf("byte_test:2,<=,%d,6", mostAttributes),
	}}
	if message != 0 {
		g.options = append(g.options, fmt.Sprintf("byte_test:2,=,%d,4", message))
	} else {
		g.options = append(g.options, "byte_test:2,>=,1,4", fmt.Sprintf("byte_test:2,<=,%d,4", lastType))
	}
	return g
}
