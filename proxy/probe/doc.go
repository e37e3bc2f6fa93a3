// Package probe asks a suspected server whether it speaks SSTP, as politely as
// that can be done: TLS, one SSTP_DUPLEX_POST request (MS-SSTP 3.2.4.1), and the
// head of the answer. Nothing is sent behind it, neither a Call Connect Request
// nor anything of a login, and the connection is closed in good order.
//
//	connect -> TLS -> SSTP_DUPLEX_POST -> head of the answer -> Result
//
// A [Prober] asks one server ([Prober.Ask]). An [Asker] stands between flows and
// a Prober: each server is asked once, answers are remembered, limits hold, and
// addresses that no policy should reach are refused.
//
// # What an answer means
//
// Yes is status 200 with a Content-Length of 2^64-1. Both ends of SSTP announce
// that length and nothing else does: a client of SSTP gives up without it, so a
// server that answers 200 to everything is none.
//
// No is any other answer of HTTP that is about the request (400, 404, 405, 501,
// 200 with another length, ...), and an answer that is no TLS or no HTTP/1. No is
// weak: a server may have SSTP under another path or name, or tell the probe from
// its users.
//
// Unclear is what says nothing: no connection, a refused handshake, silence, a
// connection that ends, and statuses by which a server speaks of itself or of the
// one who asks (403, 429, 503, ...).
//
// Who the server is, is told by the detection rules, the same that passive
// inspection uses: the answer's status line, the order and values of its fields,
// and the certificate. Times are measured and reported; no implementation is known
// by them.
//
// The certificate is not verified: suspected servers have whatever certificate
// they like, and nothing is entrusted to them.
package probe
