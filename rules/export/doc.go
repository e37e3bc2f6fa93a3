// Package export writes detection rules in the languages of other engines:
// Suricata, Snort 3, Squid, Zeek, nftables and HAProxy.
//
// An export is made from a loaded set, so that what an admin added comes out
// and what was disabled does not. No engine can say all of it. Of each rule the
// export says one of three things: it is there; it is there, but holds for more
// than the rule does, or for less, and how; or it is not there, and why.
//
// # What blocks
//
// Weights are for adding up, and of the six only Zeek can add. In the others a
// rule blocks only if it would be enough alone: it is proof, or it weighs as
// much as suspicion begins with, and the engine can say all of it. All others
// alert, or are noted in a log. What speaks against SSTP is left out.
//
// # Stability
//
// The same set gives the same bytes: there are no times in an export, rules
// stand in the set's order, and signature ids come from the rules' ids, so that
// a diff of two exports shows what changed.
package export
