package profile

import (
	"time"

	"sstpwarden/inspect/httphead"
	"sstpwarden/inspect/ppp"
	"sstpwarden/inspect/sstp"
	"sstpwarden/pcaps/pppref/pppauth"
)

// oscClient is Open SSTP Client 1.10 on Android, from its source (FACTS 1.8, 2, 3,
// 5.1). By default it does MS-CHAP-V2 and PAP and no IPv6; EAP with MS-CHAP-V2 is an
// option. A lone Call Disconnect ends a call, after which it waits for nothing.
//
// Not reproduced: it may send another SNI than its Host, which is the caller's to
// set; its LCP echoes hold no magic number even where one was agreed on; it takes
// no frame without address and control fields, which it never agrees to.
func oscClient() Client {
	const idle = 20 * time.Second
	return Client{
		Name: "osc",
		Request: func(host string, _ uint16, id [16]byte, path string) httphead.Request {
			return request(path, contentLength(), hostField(host), correlationField(lowerGUID(id)))
		},
		Connect:   specifiedConnect,
		Proxy:     true,
		ProxyAuth: true,
		Hello:     "osc",
		SNI:       true,
		PPP: PPP{
			LCP:               []ppp.Option{ppp.MRU(1500)},
			IPCP:              addresses(ppp.IPAddress, ppp.PrimaryDNS),
			RejectLCP:         []uint8{lcpACCM, lcpMagicNumber, lcpPFC, lcpACFC, lcpCallback, lcpMRRU, lcpEndpoint},
			RejectIPCP:        []uint8{ipcpCompression},
			Methods:           []pppauth.Method{pppauth.MSCHAPv2, pppauth.PAP, pppauth.EAPMSCHAPv2},
			SharedIdentifiers: true,
			FullHeaders:       true,
			RestartTimer:      defaultRestart,
			TerminateData:     noTerminateData,
			LCPEcho:           every(idle, 1),
			LCPEchoData:       oscEcho,
			LCPEchoReplyData:  oscEcho,
		},
		Messages:        Messages{NoStatusInfo: true, Hello: every(idle, 1), Coalesce: maxRecord, End: EndSSTP},
		ResendOnTimeout: true,
	}
}

// oscEcho is what its LCP echoes hold.
const oscEcho = "Abura Mashi Mashi"

// mikrotikClient is the client of MikroTik's RouterOS 6 and 7, which nobody has
// published a capture of. From what is known (FACTS 3, 4.1): no SNI before RouterOS
// 7.15 and then only if asked for, AES-CBC-SHA alone, an HTTP proxy given by its
// address, MTU and MRU of 1500 by default, a keepalive after 60 seconds, SHA-1 in the
// crypto binding. RouterOS does PAP, CHAP, MS-CHAP and MS-CHAP-V2.
//
// Assumed: the order of the request's fields, LCP with MRU and magic number, IPCP with
// an address alone, a CONNECT without SSTPVERSION, the way it ends a call.
//
// Not reproduced: anonymous Diffie-Hellman, which RouterOS uses with its own kind
// where neither end has a certificate, and MS-CHAP of the first version.
func mikrotikClient() Client {
	return Client{
		Name: "mikrotik",
		Request: func(host string, _ uint16, id [16]byte, path string) httphead.Request {
			return request(path, hostField(bracketed(host)), contentLength(), correlationField(upperGUID(id)))
		},
		Connect: plainConnect,
		Proxy:   true,
		Hello:   "mikrotik",
		Hash:    sstp.HashProtocolSHA1,
		PPP: PPP{
			LCP:             []ppp.Option{ppp.MRU(1500), ppp.MagicNumber(0)},
			IPCP:            addresses(ppp.IPAddress),
			RejectLCP:       []uint8{lcpACCM, lcpPFC, lcpACFC, lcpCallback, lcpMRRU, lcpEndpoint},
			RejectIPCP:      []uint8{ipcpCompression},
			Methods:         passwordMethods(),
			FirstIdentifier: 1,
			FullHeaders:     true,
			RestartTimer:    defaultRestart,
			TerminateData:   noTerminateData,
		},
		Messages: Messages{Hello: every(60*time.Second, 1), End: EndBoth},
	}
}

// mihomoClient is the SSTP outbound of mihomo (Clash Meta), from its source (FACTS 1.8,
// 2): one write opens everything, R is 8 in each packet, PAP alone, no Call Connected,
// no echo of either protocol, and the end of the connection for an end. It works with
// servers that do not verify the crypto binding. Path, user and password are options,
// the latter "vpn" by default.
//
// Not reproduced: it agrees to whatever a server asks for in LCP and IPCP, other
// authentication than PAP included, and sends PAP none the less; it answers nothing
// in other protocols; it ends when the server needs more than 25 packets to agree.
func mihomoClient() Client {
	return Client{
		Name: "mihomo",
		Request: func(host string, _ uint16, id [16]byte, path string) httphead.Request {
			return request(path, hostField(host), contentLength(), correlationField(lowerGUID(id)))
		},
		Connect: plainConnect,
		Hello:   "mihomo",
		SNI:     true,
		PPP: PPP{
			LCP:               []ppp.Option{ppp.MRU(1500)},
			IPCP:              addresses(ppp.IPAddress),
			Methods:           []pppauth.Method{pppauth.PAP},
			MTU:               1440, // its segments have 1400 bytes
			FirstIdentifier:   1,
			SharedIdentifiers: true,
			FullHeaders:       true,
			RestartTimer:      defaultRestart,
			TerminateData:     noTerminateData,
		},
		Messages:        Messages{LengthReserved: 8, NoStatusInfo: true, NoEchoResponse: true, Coalesce: mihomoAnswers, End: EndTLS},
		Early:           true,
		NoCallConnected: true,
		IgnoreControl:   true,
	}
}

// mihomoAnswers joins the Configure-Ack and the PAP request, as mihomo does. Small
// packets of data that wait together are joined too, which mihomo does not.
const mihomoAnswers = 600
