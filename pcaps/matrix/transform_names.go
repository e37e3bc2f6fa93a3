package matrix

// Names that the lab's certificate is good for.
const (
	hostName  = "vpn.example"
	otherName = "www.example.com"
)

// nameTransforms change what the client says of the server's name and port.
var nameTransforms = []Transform{
	{Name: "sni-none", Family: "names", About: "no SNI", apply: func(s *Setup) { s.Client.NoSNI = true }},
	{Name: "sni-other", Family: "names", About: "SNI and Host of another server", apply: func(s *Setup) {
		s.Client.SNI = otherName
		s.requestHost(otherName)
	}},
	{Name: "sni-unlike-host", Family: "names", About: "SNI of another server than Host", apply: func(s *Setup) { s.Client.SNI = otherName }},
	{Name: "sni-long", Family: "names", About: "a name of 200 bytes in SNI", apply: func(s *Setup) {
		const label = "a-very-long-label-that-nobody-would-choose-for-a-host."
		s.Client.SNI = label + label + label + "example.example.example.example.com"
	}},
	{Name: "host-none", Family: "names", About: "no Host in the request", apply: func(s *Setup) { s.dropField("Host") }},
	{Name: "host-other", Family: "names", About: "Host of another server", apply: func(s *Setup) { s.requestHost(otherName) }},
	{Name: "host-address", Family: "names", About: "an address as Host", apply: func(s *Setup) { s.requestHost("203.0.113.10") }},
	{Name: "port-8443", Family: "names", About: "port 8443 in place of 443", apply: func(s *Setup) { s.Client.Port = 8443 }},
	{Name: "port-993", Family: "names", About: "port 993, that of IMAP in TLS", apply: func(s *Setup) { s.Client.Port = 993 }},
	{Name: "port-53", Family: "names", About: "port 53, that of DNS", apply: func(s *Setup) { s.Client.Port = 53 }},
}
