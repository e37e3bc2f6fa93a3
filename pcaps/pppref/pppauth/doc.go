// Package pppauth authenticates one end of a PPP link to the other: by PAP, CHAP with MD5, MS-CHAP-V2, and EAP with
// MSCHAPv2 or TLS, as the peer or as the authenticator.
//
// A [Party] is one end of one authentication. It takes messages and gives messages; it opens no socket, reads no clock
// and starts no timer, so whoever holds it decides when something was lost:
//
//	                 Start                    Receive, Timeout
//	PAP              peer: Request            authenticator: Ack or Nak
//	CHAP             authenticator: Challenge peer: Response; authenticator: Success or Failure
//	EAP              authenticator: Request   peer: Response, and so on to Success or Failure
//
// LCP agrees on a protocol, of which EAP stands for several methods: [Options] and [MethodsOf] lead from the methods that
// a side allows to LCP's option and back, and within EAP both ends settle on one by Nak (RFC 3748, Section 5.3.1).
//
// What SSTP's crypto binding needs from an authentication is its [sstpwarden/inspect/sstp.HLAK] (MS-SSTP 3.2.5.2.2 and
// 3.2.5.2.4):
//
//   - MS-CHAP-V2: K(Magic2) and K(Magic3) of RFC 3079, Section 3.3, 16 octets each. They are the client's send and receive
//     key, the server's receive and send key, so both ends hold the same 32 octets.
//   - EAP with MSCHAPv2: the same octets. MS-SSTP wants the MSK, which is MasterReceiveKey and MasterSendKey of the
//     authenticator (MS-CHAP 3.1.5.1), as hostapd, wpa_supplicant and Open SSTP Client compute it.
//   - EAP with TLS: the first 32 octets of the MSK. MS-SSTP wants the client's MasterSendKey of RFC 3079, Section 4,
//     which is that half (RFC 5216, Section 2.3), as pppd computes it for sstpc.
//   - PAP and CHAP with MD5: zero.
//
// # What an authenticator gives away
//
// A wrong name, a wrong password and a name that Authenticator.Allow turns down get the same message after the same
// work; only [Error] says which it was. Secrets are compared in constant time, and no error holds a password.
//
// # What it does not do
//
// It does not change passwords (RFC 2759, Section 7): a request to is refused. It does not speak MS-CHAP version 1, PEAP
// or other methods of EAP. An authenticator of CHAP does not challenge again once it has succeeded, though a peer answers
// one that does. EAP with TLS knows TLS 1.2 and 1.3, resumes no session, checks no revocation, and needs the extended
// master secret (RFC 7627) in TLS 1.2, without which crypto/tls exports no keys. Its TLS 1.3 is RFC 9190's: a server that
// does not commit itself as Section 2.1.1 there wants, such as pppd with "max-tls-version 1.3", needs Tuning.MaxTLS at
// TLS 1.2.
package pppauth
