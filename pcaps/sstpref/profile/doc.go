// Package profile says how real SSTP clients and servers behave on the wire, as
// data for an endpoint to follow: the order and the spelling of HTTP fields, the
// PPP options of the first Configure-Requests, timers, what is joined into one
// write, what is left out or wrong.
//
// A [Client] or [Server] holds what tells one implementation from another and
// nothing that follows from the specifications anyway. The profile "reference"
// does what MS-SSTP says and no more.
//
// Each profile's comment says where it comes from. "Real capture" is a recorded
// session of that very program, opened with its keys; a published source is
// named; "assumed" is what nobody has shown. Where a capture and a published
// source disagree, the capture was followed.
//
// Profiles are plain values without state, made anew by each call: they may be
// changed by whoever got them, and their functions be called concurrently.
package profile
