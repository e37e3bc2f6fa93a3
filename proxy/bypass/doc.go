// Package bypass keeps the list of what is exempt from opening TLS.
//
// It exempts from nothing else: a connection that stays closed is inspected as any
// other, by what it shows outside.
//
// Entries come from four sources, their [Kind]: the configuration, an administrator
// at run time, clients that rejected the certificate they were shown, and tunnels
// that were recognised inside opened TLS and allowed. These last two are learned: an
// SSTP client binds its login to the certificate it saw, and an application that
// pins one works with no other, so that neither would ever work through opened TLS.
//
// Clients choose server names, and reject certificates, as they like. What is learned
// from that is bounded in number and in time, holds for that client alone, and is
// there for administrators to see and take out, at [List.Handler].
package bypass
