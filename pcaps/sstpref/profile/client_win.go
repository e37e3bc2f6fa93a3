package profile

import (
	"encoding/binary"
	"time"

	"sstpwarden/inspect/httphead"
	"sstpwarden/inspect/ppp"
	"sstpwarden/inspect/sstp"
	"sstpwarden/pcaps/pppref/pppauth"
)

// windowsClient is Windows 10 and 11: RasMan over WinHTTP and SChannel.
//
// From published logs of Windows 10 at accel-ppp (FACTS 2, 5.1, 5.3): the request,
// LCP's first request, Identifications, IPCP. The rest is that of Windows 7, whose
// code it is; what tells the two apart is TLS, and EAP, which Windows 7 declined.
//
// Not reproduced: that Windows cannot authenticate to a proxy for SSTP. Whoever gives
// credentials gets them sent.
func windowsClient() Client {
	c := windows7Client()
	c.Name, c.Hello = "windows", "windows"
	c.Methods = allMethods()
	return c
}

// windows7Client is Windows 7, from a real capture (with RRAS of Windows Server
// 2008 R2, TLS 1.0) for all but the following. From FACTS: the timers and the
// MTU (1.1, 1.6), and the CONNECT (3). Assumed: a port in Host where it is not 443;
// the bound of Coalesce, since no more than two packets in a record were seen.
//
// Not reproduced: the times between packets.
func windows7Client() Client {
	return Client{
		Name: "windows7",
		Request: func(host string, port uint16, id [16]byte, path string) httphead.Request {
			return request(path, correlationField(upperGUID(id)), contentLength(), hostField(hostPort(host, port)))
		},
		Connect: specifiedConnect,
		Proxy:   true,
		Hello:   "windows7",
		SNI:     true,
		PPP: PPP{
			LCP: []ppp.Option{
				ppp.MRU(sstp.MaxDataLen), ppp.MagicNumber(0),
				ppp.ProtocolFieldCompression{},
				ppp.AddressAndControlFieldCompression{},
				ppp.Callback{Operation: ppp.CallbackCBCP},
			},
			IPCP:              addresses(ppp.IPAddress, ppp.PrimaryDNS, ppp.PrimaryNBNS, ppp.SecondaryDNS, ppp.SecondaryNBNS),
			IPV6CP:            []ppp.Option{ppp.InterfaceIdentifier{}},
			CBCP:              true,
			RejectLCP:         []uint8{lcpMRRU, lcpEndpoint},
			Methods:           []pppauth.Method{pppauth.MSCHAPv2, pppauth.CHAPMD5, pppauth.PAP},
			SharedIdentifiers: true,
			ShortLCP:          true,
			RestartTimer:      2 * time.Second,
			TerminateData:     windowsTerminate,
			MTU:               1400,
			IPv6First:         true,
		},
		Messages:       Messages{Hello: every(60*time.Second, 1), Coalesce: maxRecord, End: EndBoth},
		Identification: windowsIdentification,
	}
}

// maxRecord is how much a TLS record takes (RFC 8446, Section 5.1).
const maxRecord = 1 << 14

// windowsTerminate is the data of a Terminate-Request: the magic number, four octets
// that never change, and an error code of 0.
func windowsTerminate(magic uint32) []byte {
	b := binary.BigEndian.AppendUint32(nil, magic)
	return append(b, 0x00, 0x3c, 0xcd, 0x74, 0x00, 0x00, 0x00, 0x00)
}

func windowsIdentification(computer string, correlation [16]byte) []string {
	return []string{"MSRASV5.20", "MSRAS-0-" + computer, guidBytes(correlation)}
}
