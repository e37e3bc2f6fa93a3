// Package inspect tells whether one TCP connection carries SSTP, Microsoft's
// PPP-over-TLS VPN ([MS-SSTP]), and says why.
//
// An [Inspector] holds what all connections share: the [Ruleset] and, where
// an auditor has them, the TLS secrets. [Inspector.Open] begins a [Flow], one
// per connection. [Flow.Feed] takes the connection's bytes, in order and as
// they come; [Flow.Detection] is the judgement so far, with its evidence.
//
//	bytes -> Flow.Feed -> Observation -> rules -> Evidence -> Detection
//
// An [Observation] holds facts (heads, handshakes, record sizes, messages)
// and never the word SSTP as a judgement; [Evidence] is what a rule makes of
// facts and never reads bytes.
//
// Several Inspectors may share a [Memory], by which weak connections to one
// server make a case together.
//
// The package is passive and deterministic: it opens no socket and no file
// and reads no clock, and the same bytes give the same Detection however they
// are cut; with a Memory, the same connections in the same order do. It does
// not decrypt what nobody gave it keys for.
package inspect
