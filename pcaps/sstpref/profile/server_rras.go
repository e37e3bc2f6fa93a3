package profile

import (
	"strconv"
	"time"

	"sstpwarden/inspect/httphead"
	"sstpwarden/inspect/ppp"
	"sstpwarden/inspect/sstp"
	"sstpwarden/pcaps/pppref/pppauth"
)

// rrasServer is Routing and Remote Access of Windows Server 2008 R2 over HTTP.sys,
// from a real capture (with Windows 7, TLS 1.0) for all but the following. From FACTS:
// the timers (1.6). The heads of HTTP.sys's refusals are generally known. Assumed: that
// it ends a call as Windows 7 does; the bound of Coalesce, since two packets in a record
// were seen; what it says of a wrong password.
//
// The capture's server has no IPv6 in the tunnel and rejects IPV6CP; one that has
// speaks it. It asks for EAP first, and takes what else an administrator allows.
//
// Not reproduced: its Endpoint-Discriminator and its name in CHAP are its computer's
// and made-up ones here; it held IPCP and CCP back for three seconds; its TLS has a
// session identifier of 32 bytes and prefers RSA key exchange; half a second after
// the end it closes the connection, before the client does.
func rrasServer() Server {
	return Server{
		Name: "rras",
		Response: func(now time.Time) httphead.Response {
			return response("", contentLength(), httphead.Field{Name: "Server", Value: httpSys}, date(now))
		},
		Refusal:       httpSysRefusal,
		HashProtocols: sstp.HashProtocolSHA256,
		VerifyBinding: true,
		AuthName:      "SSTPLAB",
		Failure:       ppp.MSCHAPFailure{Error: ppp.ErrorAuthenticationFailure, Retry: true, Challenge: []byte{}, Version: 3},
		PPP: PPP{
			LCP: []ppp.Option{
				ppp.MRU(sstp.MaxDataLen), authentication, ppp.MagicNumber(0),
				ppp.ProtocolFieldCompression{},
				ppp.AddressAndControlFieldCompression{},
				ppp.Callback{Operation: ppp.CallbackCBCP},
				ppp.MRRU(1614),
				ppp.EndpointDiscriminator{Class: ppp.EndpointLocal, Address: []byte("SSTPLAB-ENDPOINT\x00\x00\x00\x00")},
			},
			IPCP:              addresses(ppp.IPAddress),
			CBCP:              true,
			CCP:               []ppp.Option{ppp.MPPEStateless | ppp.MPPC},
			Methods:           []pppauth.Method{pppauth.EAPMSCHAPv2, pppauth.EAPTLS, pppauth.MSCHAPv2, pppauth.CHAPMD5, pppauth.PAP},
			MTU:               1400,
			Passive:           true,
			SharedIdentifiers: true,
			ShortLCP:          true,
			RestartTimer:      defaultRestart,
			TerminateData:     windowsTerminate,
			CopyTerminateData: true,
		},
		Messages: Messages{Hello: every(60*time.Second, 1), Coalesce: maxRecord, End: EndBoth},
	}
}

// httpSys is the Server field of HTTP.sys, which SoftEther claims to be too.
const httpSys = "Microsoft-HTTPAPI/2.0"

// httpSysRefusal answers as HTTP.sys does where nobody serves a URL: a page of its
// own, in place of which a shorter one stands here.
func httpSysRefusal(_ httphead.Request, status int, now time.Time) []byte {
	if status == 405 {
		status = 404 // URLs that are not SSTP's have no methods
	}
	page := page(strconv.Itoa(status) + " " + reasons[status])
	head := httphead.Response{Version: httphead.HTTP11, Status: status, Reason: reasons[status], Fields: httphead.Fields{
		{Name: "Content-Type", Value: "text/html; charset=us-ascii"},
		{Name: "Server", Value: httpSys},
		date(now),
		{Name: "Connection", Value: "close"},
		{Name: "Content-Length", Value: strconv.Itoa(len(page))},
	}}
	return append(head.Append(nil), page...)
}

// page is a page for people that says one thing.
func page(text string) string {
	return "<html><head><title>" + text + "</title></head><body><h1>" + text + "</h1></body></html>\r\n"
}
