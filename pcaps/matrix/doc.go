// Package matrix runs SSTP and what is taken for it in many shapes, and asks who
// notices.
//
// A [Grid] names what is varied: the client's and the server's profile, the version and
// suite of TLS, a [Transform] that tries to hide the tunnel, and the path between the
// ends. Of its groups come [Cell]s, each run once, for real: two ends talk over sockets,
// a tunnel carries a download, and the client's end is recorded with its TLS secrets.
// Beside them stand cells of a [Scenario] that is no SSTP, for false alarms.
//
//	Grid -> Cells -> Run: near end --[path]-- far end -> Outcome, capture
//	                                                        |
//	                                          Judge, Engine -> Findings -> Report
//
// On a path where nothing is cut (direct, proxy) what counts is whether a detector finds
// the tunnel in the capture; on one where something should cut it (explicit, opened,
// transparent, router, dut), whether it carried anything.
//
// The package has no opinion of its own: transforms are data, what they need of the
// endpoint are its profiles, faults and hooks, and captures are judged by the audit that
// users run.
package matrix
