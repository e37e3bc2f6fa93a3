package profile

import (
	"crypto/tls"
	"slices"
	"strconv"
	"time"

	"sstpwarden/inspect/httphead"
	"sstpwarden/inspect/ppp"
	"sstpwarden/inspect/sstp"
	"sstpwarden/pcaps/pppref/pppauth"
)

// softetherServer is SoftEther VPN Server 4.44, from many real captures (with sstpc
// and others, TLS 1.2 and 1.3). From its source: it closes after 10 seconds without
// a packet, ends PPP before SSTP, refuses other methods with 501 and takes no MRU
// above 1500. FACTS 1.8 tells of version 5, which asks for EAP first and waits for
// twice as long.
//
// Not reproduced: its first LCP request comes twice, with an identifier of its own each,
// if the client declines PAP; requests on the same port in SoftEther's own protocol
// and for its web pages; the texts of its error pages; the two session tickets of 41
// bytes of TLS 1.3; AES128-SHA in preference to other suites of TLS 1.2.
func softetherServer() Server {
	return Server{
		Name: "softether",
		Response: func(now time.Time) httphead.Response {
			return response("OK", contentLength(), date(now), httphead.Field{Name: "Server", Value: httpSys})
		},
		Refusal:       softetherRefusal,
		HashProtocols: sstp.HashProtocolSHA256,
		AuthName:      "(none)",
		Failure:       ppp.MSCHAPFailure{Error: ppp.ErrorAuthenticationFailure, Challenge: []byte{}, Version: 3},
		PPP: PPP{
			LCP:               []ppp.Option{authentication},
			IPCP:              addresses(ppp.IPAddress),
			RejectLCP:         []uint8{lcpACCM, lcpMagicNumber, lcpPFC, lcpACFC, lcpCallback, lcpMRRU, lcpEndpoint},
			RejectIPCP:        []uint8{ipcpCompression, ipcpPrimaryNBNS, ipcpSecondaryDNS, ipcpLastNBNS},
			MaxMRU:            1500,
			Passive:           true,
			Methods:           []pppauth.Method{pppauth.PAP, pppauth.MSCHAPv2},
			SharedIdentifiers: true,
			FullHeaders:       true,
			RestartTimer:      time.Second,
			TerminateData:     noTerminateData,
			LCPEcho:           EchoTimer{Min: softetherEcho, Max: softetherEcho, Always: true},
			LCPEchoData:       "Aho Baka Manuke\x00",
		},
		Messages: Messages{
			NoStatusInfo: true, NoEchoResponse: true,
			Hello:    EchoTimer{Min: 2500 * time.Millisecond, Max: softetherEcho, Always: true, AtOnce: true},
			Coalesce: maxRecord, End: EndBoth,
		},
		Idle: 10 * time.Second,
	}
}

// softetherEcho is the interval of its LCP echoes and the longest of SSTP's.
const softetherEcho = 4792 * time.Millisecond

// softetherRefusal is what SoftEther answers where it has no page. Its head speaks of
// keeping the connection, which here closes.
func softetherRefusal(r httphead.Request, status int, now time.Time) []byte {
	reason := reasons[status]
	switch {
	case status == 405 && slices.Contains([]string{"GET", "HEAD", "POST"}, r.Method):
		status, reason = 404, reasons[404]
	case status == 405:
		status, reason = 501, "Method Not Implemented"
	}
	page := page(strconv.Itoa(status) + " " + reason)
	head := httphead.Response{Version: httphead.HTTP11, Status: status, Reason: reason, Fields: httphead.Fields{
		date(now),
		{Name: "Keep-Alive", Value: "timeout=15; max=19"},
		{Name: "Connection", Value: "Keep-Alive"},
		{Name: "Content-Type", Value: "text/html; charset=iso-8859-1"},
		{Name: "Content-Length", Value: strconv.Itoa(len(page))},
	}}
	return append(head.Append(nil), page...)
}

// accelServer is accel-ppp 1.14.0, from many real captures (with sstpc and others, TLS
// 1.2 and 1.3). From its source: the refusals, the texts of failures, the short length
// in a Nak. In its default configuration it has no IPv6, which it rejects.
//
// Not reproduced: it takes methods and paths in any case, checks Host if told to, and
// can redirect; it drops packets whose R is not 0; packets of data do not put off its
// Hello timer, control packets do.
func accelServer() Server {
	return Server{
		Name: "accel",
		Response: func(now time.Time) httphead.Response {
			return response("OK", date(now), contentLength(), httphead.Field{Name: "Connection", Value: "keep-alive"})
		},
		Refusal:       accelRefusal,
		HashProtocols: sstp.HashProtocolSHA1 | sstp.HashProtocolSHA256,
		VerifyBinding: true,
		NakShort:      true,
		SuccessText:   "Authentication succeeded",
		Failure:       ppp.MSCHAPFailure{Error: ppp.ErrorAuthenticationFailure, Version: 3, Message: "Authentication failure"},
		PPP: PPP{
			LCP:                []ppp.Option{authentication, ppp.MRU(1400), ppp.MagicNumber(0)},
			IPCP:               addresses(ppp.IPAddress),
			RejectLCP:          []uint8{lcpACCM, lcpPFC, lcpACFC, lcpCallback, lcpMRRU, lcpEndpoint},
			RejectIPCP:         []uint8{ipcpCompression},
			MaxMRU:             1400,
			Methods:            passwordMethods(),
			MTU:                1400,
			FirstIdentifier:    -1,
			FullHeaders:        true,
			RejectProtocolOnly: true,
			RestartTimer:       defaultRestart,
			TerminateData:      noTerminateData,
			LCPEcho:            EchoTimer{Min: 20 * time.Second, Max: 20 * time.Second, Always: true, Misses: 3},
		},
		Messages: Messages{
			AbortStatus: sstp.StatusInvalidFrameReceived,
			Hello:       EchoTimer{Min: 60 * time.Second, Max: 60 * time.Second, Always: true, Misses: 1},
			End:         EndBoth,
		},
	}
}

func accelRefusal(r httphead.Request, status int, now time.Time) []byte {
	reason := reasons[status]
	switch {
	case status == 405 && r.Method == "GET":
		status, reason = 404, reasons[404]
	case status == 405:
		status, reason = 501, "Not Implemented"
	}
	return httphead.Response{Version: r.Version, Status: status, Reason: reason, Fields: httphead.Fields{
		date(now), {Name: "Content-Length", Value: "0"}, {Name: "Connection", Value: "close"},
	}}.Append(nil)
}

// mikrotikServer is the server of MikroTik's RouterOS. The response is published in the
// fingerprints of scanners (FACTS 2); a log of sstpc with such a server
// (reliablehosting/sstp-client, issue 9) shows IPCP; that its PAP says "Login ok" stands in
// kittoku/Open-SSTP-Client, issue 134; the rest is RouterOS's documentation: MTU and
// MRU of 1500, a keepalive after 60 seconds, TLS up to 1.2 with AES-CBC-SHA.
//
// Assumed: the options of LCP and their order, the texts, the refusal of other requests,
// which is an end of the connection, whether it verifies the crypto binding.
//
// Not reproduced: the length of its Authenticate-Ack leaves out the message that
// follows; anonymous Diffie-Hellman, where it has no certificate.
func mikrotikServer() Server {
	return Server{
		Name: "mikrotik",
		Response: func(now time.Time) httphead.Response {
			return response("", contentLength(), httphead.Field{Name: "Server", Value: "MikroTik-SSTP"}, date(now))
		},
		Refusal:       func(httphead.Request, int, time.Time) []byte { return nil },
		HashProtocols: sstp.HashProtocolSHA1 | sstp.HashProtocolSHA256,
		VerifyBinding: true,
		AuthName:      "MikroTik",
		SuccessText:   "Login ok",
		Failure:       ppp.MSCHAPFailure{Error: ppp.ErrorAuthenticationFailure, Version: 3, Message: "Login failed"},
		PPP: PPP{
			LCP:             []ppp.Option{ppp.MRU(1500), ppp.MagicNumber(0), authentication},
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
		TLS: TLS{
			MaxVersion: tls.VersionTLS12,
			CipherSuites: []uint16{
				tls.TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA, tls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA,
				tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA, tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA,
				tls.TLS_RSA_WITH_AES_256_CBC_SHA, tls.TLS_RSA_WITH_AES_128_CBC_SHA,
			},
		},
	}
}
