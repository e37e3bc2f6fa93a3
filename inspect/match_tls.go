package inspect

import (
	"encoding/hex"
	"slices"
	"strings"

	"sstpwarden/inspect/tlswire"
)

type helloMatcher struct{ HelloMatch }

func (m helloMatcher) match(f *Flow) (string, bool) {
	t := f.session // of the innermost, where one lies in another that was opened
	if t == nil {
		return "", false
	}
	var details []string
	ask := func(list []string, have bool, value string, matches func([]string, string) bool, label string) bool {
		if list == nil {
			return true
		}
		if !have || !matches(list, value) {
			return false
		}
		if value == "" {
			value = "none"
		}
		details = append(details, label+" "+value)
		return true
	}
	ok := ask(m.SNI, t.Hello, t.SNI, anyName, "SNI") &&
		ask(m.JA3, t.Hello, t.JA3, anyFold, "JA3") &&
		ask(m.JA4, t.Hello, t.JA4, anyGlob, "JA4") &&
		ask(m.JA3S, t.ServerHello, t.JA3S, anyFold, "JA3S") &&
		ask(m.Chosen, t.ServerHello && (t.Version < tlswire.VersionTLS13 || t.Opened), t.ALPN, anyALPN, "ALPN")
	if !ok || m.Offers != nil && !m.offers(t, &details) {
		return "", false
	}
	if m.Anonymous {
		s, known := tlswire.SuiteByID(t.Suite)
		if !t.ServerHello || !known || !s.KeyExchange.Anonymous() {
			return "", false
		}
		details = append(details, s.Name)
	}
	return strings.Join(details, ", "), true
}

func (m helloMatcher) offers(t *TLSFacts, details *[]string) bool {
	if !t.Hello {
		return false
	}
	if len(t.Offered) == 0 {
		return slices.Contains(m.Offers, "-")
	}
	for _, p := range t.Offered {
		if slices.Contains(m.Offers, p) {
			*details = append(*details, "ALPN "+strings.Join(t.Offered, " "))
			return true
		}
	}
	return false
}

// anyALPN compares protocol names; "-" stands for none.
func anyALPN(list []string, s string) bool {
	return slices.Contains(list, s) || s == "" && slices.Contains(list, "-")
}

type certificateMatcher struct{ CertificateMatch }

func (m certificateMatcher) match(f *Flow) (string, bool) {
	if f.session == nil || f.session.Certificate == nil {
		return "", false
	}
	c := f.session.Certificate
	n := len(c.ExtKeyUsage)
	switch {
	case m.Subject != nil && !anyGlob(m.Subject, c.Subject.CommonName),
		m.Issuer != nil && !anyGlob(m.Issuer, c.Issuer.CommonName),
		m.Name != nil && !slices.ContainsFunc(c.DNSNames, func(name string) bool { return anyName(m.Name, name) }),
		m.SHA256 != nil && !anyFold(m.SHA256, hex.EncodeToString(c.SHA256[:])),
		m.SelfSigned && !c.SelfSigned,
		m.EKUs != nil && !m.EKUs.Match(Size{n, n}),
		m.CA && !c.CA,
		m.SubjectRepeated && (c.Subject.CommonName == "" || c.Subject.CommonName != c.Subject.Organization || c.Subject.CommonName != c.Subject.OrgUnit),
		m.ADCS && !c.EnterpriseTemplate:
		return "", false
	}
	return "certificate of " + c.Subject.CommonName, true
}
