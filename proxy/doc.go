// Package proxy carries connections between clients and the Internet, and lets a
// policy end those that are SSTP.
//
// A Server serves explicit clients, who ask with CONNECT or with whole URLs, and
// transparent ones, whose connections the kernel redirects here. Either way the
// bytes go through a session: what comes is shown to an [inspect.Flow] first, the
// policy is asked through a [policies.Gate], and only then the bytes go on. A
// connection that is dropped ends before the bytes that told of it have left.
//
//	accept -> session -> dial -> relay -> (settled) splice
//	             |
//	             +-> intercept: TLS opened, HTTP through goproxy
//
// What is settled leaves the program: the kernel carries it from socket to socket.
// TLS is opened only where the policy says so and nothing exempts it, see package
// proxy/bypass; SSTP does not survive that, because its crypto binding holds the
// server's certificate, so a tunnel that is found there and let be is remembered
// and left alone at the client's next attempt.
//
// Who may use the proxy and where it goes is the matter of package proxy/access;
// how HTTP heads are read before net/http sees them that of proxy/guard.
package proxy
