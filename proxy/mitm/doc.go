// Package mitm has what it takes to open a client's TLS: an authority of our
// own, leaf certificates that mirror the upstream's, and both handshakes.
//
//	client <--TLS, leaf of ours--> us <--TLS, upstream's certificate--> upstream
//
// The upstream's handshake comes first ([Handshake]): its certificate, and what
// is wrong with it, decide what the client is shown ([Cache.Leaf]). Then the
// client's ([ServerConfig]), with the bytes replayed that were read of it
// already ([Replay]).
//
// # Problems are mirrored
//
// A client must see through us what it would see without us. The leaf has the
// subject, names and dates of the upstream's certificate, so that a wrong name
// stays a wrong name and an expired certificate an expired one. What does not
// lead to a root that is trusted here is signed by an issuer nobody trusts:
// made in memory, another in every process, never exported. Revocation is not
// looked up, and intermediates that an upstream forgets to send are not
// fetched: browsers that would do so see an untrusted certificate.
//
// # What it does not do
//
// It decides nothing (which connections are opened, what becomes of a client
// that rejects a leaf), reads no HTTP and logs nothing.
package mitm
