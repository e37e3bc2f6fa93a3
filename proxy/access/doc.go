// Package access says who may use a proxy, and where it may go for them.
//
//   - [Networks] are the clients that are served.
//   - [Destinations] are the addresses and ports that may be dialled. They are
//     asked for the address that a connection is about to be made to, so that no
//     name can resolve to something else in between.
//   - [Users] are names and passwords of an htpasswd file.
//   - A [Limiter] bounds connections, in all and by client.
//
// Where clients are counted, one is an address in IPv4 and the first 64 bits of
// one in IPv6: a host chooses the others as it likes.
//
// The package opens no connection and writes no log: what it refuses, it says in
// an error that tells why and what to do.
package access
