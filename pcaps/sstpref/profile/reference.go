package profile

import (
	"time"

	"sstpwarden/inspect/httphead"
	"sstpwarden/inspect/ppp"
	"sstpwarden/inspect/sstp"
)

// ReferenceClient returns the client of MS-SSTP and of the documents on PPP: the MRU
// of MS-SSTP 3.1.5.2, the Hello timer of 3.1.2, a Call Disconnect after PPP's
// Terminate-Request. It leaves nothing out. The order of the fields, which is free,
// is that of most clients, and the LCP echoes are pppd's.
func ReferenceClient() Client {
	return Client{
		Name: "reference",
		Request: func(host string, port uint16, id [16]byte, path string) httphead.Request {
			return request(path, hostField(hostPort(host, port)), contentLength(), correlationField(upperGUID(id)))
		},
		Connect:   specifiedConnect,
		Proxy:     true,
		ProxyAuth: true,
		SNI:       true,
		PPP: PPP{
			LCP:             []ppp.Option{ppp.MRU(sstp.MaxDataLen), ppp.MagicNumber(0), ppp.ProtocolFieldCompression{}, ppp.AddressAndControlFieldCompression{}},
			IPCP:            addresses(ppp.IPAddress, ppp.PrimaryDNS, ppp.SecondaryDNS),
			IPV6CP:          []ppp.Option{ppp.InterfaceIdentifier{}},
			Methods:         allMethods(),
			FirstIdentifier: 1,
			RestartTimer:    defaultRestart,
			LCPEcho:         every(30*time.Second, 4),
		},
		Messages: Messages{Hello: every(60*time.Second, 1), End: EndBoth},
	}
}

// ReferenceServer returns the server of MS-SSTP and of the documents on PPP. It
// offers both hashes and verifies the crypto binding.
func ReferenceServer() Server {
	return Server{
		Name: "reference",
		Response: func(now time.Time) httphead.Response {
			return response("OK", contentLength(), date(now))
		},
		Refusal:       plainRefusal,
		HashProtocols: sstp.HashProtocolSHA1 | sstp.HashProtocolSHA256,
		VerifyBinding: true,
		AuthName:      "sstp",
		Failure:       ppp.MSCHAPFailure{Error: ppp.ErrorAuthenticationFailure, Challenge: []byte{}, Version: 3},
		PPP: PPP{
			LCP:             []ppp.Option{ppp.MRU(sstp.MaxDataLen), authentication, ppp.MagicNumber(0), ppp.ProtocolFieldCompression{}, ppp.AddressAndControlFieldCompression{}},
			IPCP:            addresses(ppp.IPAddress),
			IPV6CP:          []ppp.Option{ppp.InterfaceIdentifier{}},
			Methods:         allMethods(),
			FirstIdentifier: 1,
			RestartTimer:    defaultRestart,
			LCPEcho:         every(30*time.Second, 4),
		},
		Messages: Messages{Hello: every(60*time.Second, 1), End: EndBoth},
	}
}
