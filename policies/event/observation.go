package event

import (
	"crypto/x509/pkix"
	"encoding/hex"
	"fmt"
	"net/netip"

	"sstpwarden/inspect"
	"sstpwarden/inspect/tlswire"
)

func newConnect(c *inspect.ConnectFacts) *Connect {
	if c == nil {
		return nil
	}
	out := &Connect{
		Target:    target(c.Request.Target),
		Host:      text(c.Host),
		Port:      c.Port,
		Protocol:  c.Request.Version.String(),
		UserAgent: text(c.Request.Fields.Get("User-Agent")),
		Headers:   headerNames(c.Request.Fields),
		User:      text(c.User),
		Tunnel:    c.Tunnel,
		Oddities:  oddities(c.Request.Oddities),
	}
	if f, ok := c.Request.Fields.Lookup("SSTPVERSION"); ok {
		out.SSTPVersion = &Header{Name: text(f.Name), Value: text(f.Value)}
	}
	if c.Response != nil {
		out.Status = c.Response.Status
	}
	return out
}

func newTLS(t *inspect.TLSFacts) *TLS {
	if t == nil {
		return nil
	}
	out := &TLS{
		SNI:             text(t.SNI),
		ECH:             t.ECH,
		ALPN:            text(t.ALPN),
		ALPNOffered:     texts(t.Offered),
		JA3:             t.JA3,
		JA3S:            t.JA3S,
		JA4:             text(t.JA4),
		RecordsToServer: t.Records[0],
		RecordsToClient: t.Records[1],
		Opened:          t.Opened,
		NotOpened:       text(t.NotOpened),
	}
	if t.Version != 0 {
		out.Version, out.Cipher = t.Version.String(), t.Suite.String()
	}
	if c := t.Certificate; c != nil {
		out.Subject = distinguishedName(c.Subject)
		out.Issuer = distinguishedName(c.Issuer)
		out.NotBefore, out.NotAfter = NewTime(c.NotBefore), NewTime(c.NotAfter)
		out.SelfSigned = c.SelfSigned
		out.CertificateSHA256 = hex.EncodeToString(c.SHA256[:])
	}
	return out
}

// distinguishedName writes a name with its special characters escaped, so that
// no value can pass for another attribute.
func distinguishedName(n tlswire.CertificateName) string {
	one := func(s string) []string {
		if s == "" {
			return nil
		}
		return []string{s}
	}
	return text(pkix.Name{
		CommonName:         n.CommonName,
		OrganizationalUnit: one(n.OrgUnit),
		Organization:       one(n.Organization),
		Country:            one(n.Country),
	}.String())
}

func newHTTP(h *inspect.HTTPFacts) *HTTP {
	if h == nil {
		return nil
	}
	out := &HTTP{Exchanges: h.Exchanges}
	if r := h.Request; r != nil {
		out.Method = text(r.Method)
		out.Target = target(r.Target)
		out.Protocol = r.Version.String()
		out.Host = target(r.Fields.Get("Host"))
		out.UserAgent = text(r.Fields.Get("User-Agent"))
		out.Headers = headerNames(r.Fields)
		out.Oddities = oddities(r.Oddities)
		if n, ok, err := r.Fields.ContentLength(); ok && err == nil {
			out.ContentLength = &n
		}
	}
	if r := h.Response; r != nil {
		out.Status = r.Status
		out.Server = text(r.Fields.Get("Server"))
		out.ResponseHeaders = headerNames(r.Fields)
	}
	return out
}

func newSSTP(s *inspect.SSTPFacts) *SSTP {
	if s == nil {
		return nil
	}
	return &SSTP{
		ControlToServer:      s.Control[0],
		ControlToClient:      s.Control[1],
		DataToServer:         s.Data[0],
		DataToClient:         s.Data[1],
		DataBytesToServer:    s.DataBytes[0],
		DataBytesToClient:    s.DataBytes[1],
		EchoToServer:         s.Echo[0],
		EchoToClient:         s.Echo[1],
		Messages:             texts(s.Messages),
		EncapsulatedProtocol: s.Encapsulated,
		HashOffered:          hashes(s.HashOffered),
		HashUsed:             hash(s.HashUsed),
		CryptoBinding:        s.Binding,
		CryptoBindingUnknown: text(s.BindingUnknown),
		ReservedBits:         s.Reserved,
		CorrelationID:        text(s.CorrelationID),
		NAK:                  text(s.NAK),
		End:                  s.End,
		EndBy:                side(s.EndBy),
		EndStatus:            text(s.EndStatus),
		First:                NewTime(s.First),
		Last:                 NewTime(s.Last),
	}
}

// hash names one hash protocol of the crypto binding (MS-SSTP 2.2.7).
func hash(bit uint8) string {
	switch bit {
	case 0:
		return ""
	case 1:
		return "sha1"
	case 2:
		return "sha256"
	}
	return fmt.Sprintf("0x%02x", bit)
}

// hashes names the hash protocols in a bitmask (MS-SSTP 2.2.6).
func hashes(mask uint8) []string {
	var names []string
	for bit := range 8 {
		if one := mask & (1 << bit); one != 0 {
			names = append(names, hash(one))
		}
	}
	return names
}

func newPPP(p *inspect.PPPFacts) *PPP {
	if p == nil {
		return nil
	}
	return &PPP{
		Auth:            p.Auth,
		User:            text(p.User),
		Authenticator:   text(p.Authenticator),
		Result:          p.Result,
		Message:         peerMessage(p.Message),
		ClientIP:        plain(p.ClientAddress),
		ServerIP:        plain(p.ServerAddress),
		ClientIP6:       plain(p.ClientAddress6),
		DNS:             addrs(p.DNS),
		MRUClient:       p.MRU[0],
		MRUServer:       p.MRU[1],
		Identification:  texts(p.Identification),
		Protocols:       texts(p.Protocols),
		IPPktsToServer:  p.IPPackets[0],
		IPPktsToClient:  p.IPPackets[1],
		IPBytesToServer: p.IPBytes[0],
		IPBytesToClient: p.IPBytes[1],
	}
}

func newTimeline(moments []inspect.Moment) []Moment {
	if len(moments) == 0 {
		return nil
	}
	out := make([]Moment, len(moments))
	for i, m := range moments {
		out[i] = Moment{text(m.What), NewTime(m.At)}
	}
	return out
}

// addrs gives a copy of list without zones; nil if it is empty.
func addrs(list []netip.Addr) []netip.Addr {
	if len(list) == 0 {
		return nil
	}
	out := make([]netip.Addr, len(list))
	for i, a := range list {
		out[i] = plain(a)
	}
	return out
}
