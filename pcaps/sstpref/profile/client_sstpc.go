package profile

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"time"

	"sstpwarden/inspect/httphead"
	"sstpwarden/inspect/ppp"
	"sstpwarden/inspect/sstp"
)

// sstpcClient is sstp-client 1.0.18 with pppd 2.4.9, from many real captures (with
// SoftEther and accel-ppp, TLS 1.2 and 1.3, and through squid). From its source
// (FACTS 1.8): it asks for an echo after 60 seconds without a packet and gives up after
// five unanswered; a Call Disconnect in answer to a Nak is bare. On its own it ends
// without a word: pppd is gone, and TLS is closed. SNI is not sent but with
// --tls-ext, and authentication is what pppd is told to refuse or not; EAP was
// refused in all captures.
//
// Not reproduced: pppd counts the identifiers of its echoes from 0; the client
// exits if the answer to its request comes at once; with a wrong proxy password it
// asks again for ever.
func sstpcClient() Client {
	return Client{
		Name: "sstpc",
		Request: func(host string, _ uint16, id [16]byte, path string) httphead.Request {
			return request(path, hostField(host), contentLength(), correlationField(sstpcGUID(id)))
		},
		Connect:   sstpcConnect,
		Proxy:     true,
		ProxyAuth: true,
		Hello:     "sstpc",
		PPP: PPP{
			LCP: []ppp.Option{
				ppp.ACCM(0), ppp.MagicNumber(0),
				ppp.ProtocolFieldCompression{},
				ppp.AddressAndControlFieldCompression{},
			},
			IPCP: append([]ppp.Option{ppp.IPCompressionProtocol{MaxSlotID: 15, CompSlotID: true}},
				addresses(ppp.IPAddress, ppp.PrimaryDNS, ppp.SecondaryDNS)...),
			IPV6CP:          []ppp.Option{ppp.InterfaceIdentifier{}},
			Methods:         passwordMethods(),
			FirstIdentifier: 1,
			RestartTimer:    defaultRestart,
			LCPEcho:         EchoTimer{Min: 30 * time.Second, Max: 30 * time.Second, Always: true, AtOnce: true, Misses: 4},
		},
		Messages:        Messages{NoStatusInfo: true, Hello: every(60*time.Second, 5), End: EndTLS},
		DisconnectOnNak: true,
	}
}

// sstpcGUID is what stands for a GUID: four random numbers, two of 31 bits and two of
// 16, without their leading zeros but for two or four digits, in four groups.
func sstpcGUID(id [16]byte) string {
	const random = 1<<31 - 1
	return fmt.Sprintf("{%.4X-%.2X-%.2X-%.4X}",
		binary.BigEndian.Uint32(id[0:])&random, binary.BigEndian.Uint16(id[4:]),
		binary.BigEndian.Uint16(id[6:]), binary.BigEndian.Uint32(id[12:])&random)
}

// sstpcConnect appends ":443" to whatever server it was told, has no Host field, and
// breaks Base64 with bare LFs: after 64 characters and at the end, where the CRLF that
// follows ends the head.
func sstpcConnect(host string, port uint16, user, password string) []byte {
	if port != 443 {
		host = fmt.Sprintf("%s:%d", host, port)
	}
	b := fmt.Appendf(nil, "CONNECT %s:443 HTTP/1.1\r\n%s: %s\r\nConnection: keep-alive\r\nUser-Agent: sstp-client\r\n",
		host, sstp.HeaderVersion, sstp.HeaderVersionValue)
	if user != "" {
		b = append(b, "Proxy-Authorization: Basic "...)
		text := base64.StdEncoding.EncodeToString([]byte(user + ":" + password))
		for len(text) > 0 {
			n := min(64, len(text))
			b = append(append(b, text[:n]...), '\n')
			text = text[n:]
		}
	}
	return append(b, "\r\n"...)
}
