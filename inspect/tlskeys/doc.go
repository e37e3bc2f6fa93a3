// Package tlskeys opens recorded TLS with secrets that somebody gave: a key
// log, or the server's RSA key.
//
// The concepts:
//
//   - [Keys] holds what is known, by the client random of the connection. It is
//     filled from key logs ([Keys.AddKeyLog]; a pcapng decryption secrets block
//     is one too) and RSA keys ([Keys.AddRSAKey]).
//   - An [Opener] opens one connection. It is fed every record of both
//     directions, beginning with the ClientHello, and gives back what each
//     record holds. It follows the handshake by itself.
//
// It opens TLS 1.0 to 1.3 with AES in CBC, GCM and CCM mode, ChaCha20-Poly1305,
// 3DES and RC4. Every record is authenticated: what comes back is what was
// sent. Records that the capture lost are stepped over.
//
// The package does not attack anything: without a secret nothing is opened. It
// knows neither SSL 3.0, nor TLS compression, nor Camellia, ARIA, SEED, IDEA
// and the export ciphers, and says so when it meets them. It checks no
// certificate.
package tlskeys
