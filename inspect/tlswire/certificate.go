package tlswire

import (
	"golang.org/x/crypto/cryptobyte"
)

// A Certificate is a certificate message: a chain, the sender's own
// certificate first.
type Certificate struct {
	// Context is empty in a server's message, and before TLS 1.3 absent.
	Context []byte
	Entries []CertificateEntry
}

// A CertificateEntry is one certificate of a chain.
type CertificateEntry struct {
	Data       []byte      // X.509, in DER
	Extensions []Extension // TLS 1.3 only
}

// ParseCertificate parses the body of a certificate message, which is b from
// end to end, in the form that v has: that of RFC 8446, Section 4.4.2 from TLS
// 1.3 on, and before it that of RFC 5246, Section 7.4.2. All slices of the
// result are parts of b.
//
//	TLS 1.3                                 before
//	1 certificate_request_context length
//	n certificate_request_context
//	3 certificate_list length               3 certificate_list length
//	  3 cert_data length                      3 ASN.1Cert length
//	  n cert_data                             n ASN.1Cert
//	  2 extensions length
//	  n extensions
func ParseCertificate(v Version, b []byte) (*Certificate, error) {
	c := &Certificate{}
	r := newReader(b, "RFC 5246, Section 7.4.2")
	if v >= VersionTLS13 {
		r.section = "RFC 8446, Section 4.4.2"
		c.Context = r.vector(1, "certificate_request_context").s
	}
	list := r.vector(3, "certificate_list")
	for list.more() {
		e := CertificateEntry{Data: list.vector(3, "cert_data").s}
		if v >= VersionTLS13 {
			e.Extensions = list.extensions()
		}
		c.Entries = append(c.Entries, e)
	}
	if err := r.done(); err != nil {
		return nil, err
	}
	return c, nil
}

// Append appends the message's body to b in the form that v has. It panics
// when a field is too long for its length field.
func (c *Certificate) Append(v Version, b []byte) []byte {
	w := cryptobyte.NewBuilder(b)
	if v >= VersionTLS13 {
		w.AddUint8LengthPrefixed(func(w *cryptobyte.Builder) { w.AddBytes(c.Context) })
	}
	w.AddUint24LengthPrefixed(func(w *cryptobyte.Builder) {
		for _, e := range c.Entries {
			w.AddUint24LengthPrefixed(func(w *cryptobyte.Builder) { w.AddBytes(e.Data) })
			if v >= VersionTLS13 {
				appendExtensions(w, e.Extensions)
			}
		}
	})
	return w.BytesOrPanic()
}
