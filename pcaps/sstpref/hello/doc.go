// Package hello has the ClientHellos of real SSTP clients, for uTLS: what an observer
// tells a client's TLS library by (JA3, JA4), and the length of the record.
//
// [Client] makes a connection that says one; [Spec] is the same for callers that
// set up uTLS themselves. A client has up to three forms of its hello, of which the
// highest TLS version within the bounds of [Options] chooses one:
//
//	windows    1.3 (Windows 11), 1.2 (Windows 10)
//	windows7   1.0
//	sstpc      1.3, 1.2; 1.3 alone if nothing below it is to be offered
//	osc        1.3, 1.2
//	mikrotik   1.2
//	mihomo     1.3, 1.2
//
// Where a form comes from is said at each. Beyond the hello, the handshake is uTLS's:
// of the suites and extensions that are offered it cannot do encrypt-then-MAC,
// finite-field Diffie-Hellman, groups other than X25519, P-256, P-384, P-521 and
// X25519MLKEM768, and CBC suites with SHA-384. A server that takes one of those
// fails the handshake, which the real client would complete. The record of the hello
// has version 1.0, where Windows 10 writes 1.2. No session is ever resumed.
package hello
