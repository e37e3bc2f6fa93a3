package report

import (
	"fmt"
	"net/netip"
	"strconv"

	"sstpwarden/inspect"
	"sstpwarden/policies/event"
)

func connectFacts(c *event.Connect) []fact {
	if c == nil {
		return nil
	}
	var fs facts
	fs.mono("CONNECT", c.Target+" "+c.Protocol)
	fs.mono("SSTP header", header(c.SSTPVersion))
	fs.add("User claimed", c.User)
	fs.mono("User agent", c.UserAgent)
	fs.run("Fields", c.Headers...)
	fs.add("Odd about the head", allWords(c.Oddities)...)
	fs.add("Answer", plain(c.Status))
	fs.flag(c.Tunnel, "Tunnel", "bytes went through")
	return fs.list
}

func tlsFacts(t *event.TLS) []fact {
	if t == nil {
		return nil
	}
	var fs facts
	fs.add("Version", t.Version)
	fs.mono("Cipher suite", t.Cipher)
	name := fact{Name: "Name asked for"}
	if t.ECH {
		name.Note = "the outer one: the true name is encrypted (ECH)"
	}
	fs.put(name, []string{t.SNI})
	if t.ECH && t.SNI == "" {
		fs.add("Name asked for", "encrypted (ECH)")
	}
	fs.add("ALPN chosen", t.ALPN)
	fs.run("ALPN offered", t.ALPNOffered...)
	fs.mono("Certificate", t.Subject)
	if t.SelfSigned {
		fs.add("Issuer", "itself: self-signed")
	} else {
		fs.mono("Issuer", t.Issuer)
	}
	if !t.NotBefore.IsZero() || !t.NotAfter.IsZero() {
		fs.add("Valid, UTC", clock(t.NotBefore.Time)+" to "+clock(t.NotAfter.Time))
	}
	fs.mono("SHA-256", t.CertificateSHA256)
	fs.mono("JA4", t.JA4)
	fs.mono("JA3", t.JA3)
	fs.mono("JA3S", t.JA3S)
	if t.RecordsToServer+t.RecordsToClient > 0 {
		fs.add("Data records", number(uint64(t.RecordsToServer))+" to the server, "+number(uint64(t.RecordsToClient))+" to the client")
	}
	if t.Opened {
		fs.add("Opened", "yes, with the secrets given")
	} else {
		fs.add("Not opened", t.NotOpened)
	}
	return fs.list
}

func httpFacts(h *event.HTTP) []fact {
	if h == nil {
		return nil
	}
	var fs facts
	if h.Method+h.Target != "" {
		fs.mono("Request", h.Method+" "+h.Target+" "+h.Protocol)
	}
	fs.mono("Host", h.Host)
	if h.ContentLength != nil {
		f := fact{Name: "Content-Length", Mono: true}
		if *h.ContentLength == 1<<64-1 {
			f.Note = "2^64-1: the length that SSTP announces"
		}
		fs.put(f, []string{strconv.FormatUint(*h.ContentLength, 10)})
	}
	fs.mono("User agent", h.UserAgent)
	fs.run("Fields", h.Headers...)
	fs.add("Odd about the request", allWords(h.Oddities)...)
	fs.add("Status", plain(h.Status))
	fs.mono("Server", h.Server)
	fs.run("Response fields", h.ResponseHeaders...)
	if h.Exchanges > 1 {
		fs.add("Requests", number(uint64(h.Exchanges)))
	}
	return fs.list
}

func sstpFacts(s *event.SSTP) []fact {
	if s == nil {
		return nil
	}
	var fs facts
	fs.add("Crypto binding", binding(s)...)
	fs.add("Messages", runs(s.Messages)...)
	if s.ControlToServer+s.ControlToClient > 0 {
		fs.add("Control packets", number(uint64(s.ControlToServer))+" to the server, "+number(uint64(s.ControlToClient))+" to the client")
	}
	if s.DataToServer+s.DataToClient > 0 {
		fs.add("Data to the server", traffic(s.DataBytesToServer, s.DataToServer))
		fs.add("Data to the client", traffic(s.DataBytesToClient, s.DataToClient))
	}
	if s.EchoToServer+s.EchoToClient > 0 {
		fs.add("Echo requests", number(uint64(s.EchoToServer))+" to the server, "+number(uint64(s.EchoToClient))+" to the client")
	}
	if p := s.EncapsulatedProtocol; p == 1 {
		fs.add("Carries", "PPP")
	} else {
		fs.add("Carries", plain(p))
	}
	fs.mono("Correlation id", s.CorrelationID)
	fs.flag(s.ReservedBits, "Reserved bits", "set in the length field, where they are to be 0")
	fs.add("Refused", s.NAK)
	if s.End != "" {
		text := s.End
		if s.EndBy != "" {
			text += " by the " + s.EndBy
		}
		if s.EndStatus != "" {
			text += ": " + s.EndStatus
		}
		fs.add("Ended", text)
	}
	return fs.list
}

// binding says in words what comparing the certificate with the hash that the
// client sent gave (MS-SSTP 3.2.5.2).
func binding(s *event.SSTP) []string {
	var out []string
	switch s.CryptoBinding {
	case "":
		if s.CryptoBindingUnknown == "" {
			return nil
		}
		out = append(out, "Not checked: "+s.CryptoBindingUnknown+".")
	case inspect.BindingMatches:
		out = append(out, "Matches the certificate on the wire: nobody opened this TLS in between.")
	case inspect.BindingDiffers:
		out = append(out, "Differs from the certificate on the wire: the client saw another one, so somebody opened the TLS in between.")
	default:
		out = append(out, s.CryptoBinding)
	}
	if s.HashUsed != "" {
		out = append(out, "Hash "+s.HashUsed+".")
	}
	return out
}

// runs writes message names as words, those that repeat with how often.
func runs(messages []string) []string {
	var out []string
	for i := 0; i < len(messages); {
		// Echo requests and responses alternate.
		for _, period := range []int{1, 2} {
			n := 1
			for i+(n+1)*period <= len(messages) && same(messages[i:i+period], messages[i+n*period:i+(n+1)*period]) {
				n++
			}
			if n > 1 {
				text := words(messages[i])
				if period == 2 {
					text += ", " + words(messages[i+1])
				}
				out = append(out, fmt.Sprintf("%s, %d times", text, n))
				i += n * period
				break
			}
			if period == 2 {
				out = append(out, words(messages[i]))
				i++
			}
		}
	}
	return out
}

func same(a, b []string) bool {
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

func pppFacts(p *event.PPP) []fact {
	if p == nil {
		return nil
	}
	var fs facts
	fs.add("User", p.User)
	if p.Auth != "" {
		result := p.Result
		if result == "" {
			result = "not concluded"
		}
		fs.add("Authentication", p.Auth+": "+result)
	} else {
		fs.add("Authentication", p.Result)
	}
	fs.add("Peer's message", p.Message)
	fs.mono("Authenticator", p.Authenticator)
	fs.mono("Inner address", address(p.ClientIP), address(p.ClientIP6))
	fs.mono("Server's inner", address(p.ServerIP))
	fs.run("DNS", texts(p.DNS)...)
	if p.IPPktsToServer+p.IPPktsToClient > 0 {
		fs.add("IP to the server", traffic(p.IPBytesToServer, p.IPPktsToServer))
		fs.add("IP to the client", traffic(p.IPBytesToClient, p.IPPktsToClient))
	}
	fs.run("Protocols", p.Protocols...)
	if p.MRUClient+p.MRUServer > 0 {
		fs.add("MRU", "client "+or(plain(p.MRUClient), "unset")+", server "+or(plain(p.MRUServer), "unset"))
	}
	fs.add("Identification", p.Identification...)
	return fs.list
}

func or(s, instead string) string {
	if s == "" {
		return instead
	}
	return s
}

func texts(list []netip.Addr) []string {
	out := make([]string, len(list))
	for i, a := range list {
		out[i] = address(a)
	}
	return out
}

func allWords(names []string) []string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = words(n)
	}
	return out
}
