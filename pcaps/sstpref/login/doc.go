// Package login says who may log in to an SSTP server, and how often somebody may
// try.
//
//   - [Users] are names and passwords.
//   - A [Limiter] refuses whom too many logins have failed of.
//   - An [Admission] limits connections that have not logged in yet.
//
// A client's address counts as a whole in IPv4 and by its first 64 bits in IPv6:
// a host chooses the others as it likes.
//
// The package checks no password, opens no connection and looks at no clock.
package login
