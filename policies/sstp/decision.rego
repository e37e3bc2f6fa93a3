# METADATA
# title: Default policies of sstpwarden
# description: |
#   SSTP that is suspected or confirmed is dropped (see drop.rego), unless it is
#   sanctioned (see sanctioned.rego). Everything else is allowed without an
#   event. Nothing is opened or probed.
package sstp

# METADATA
# description: What is to be done with the connection that input describes.
# entrypoint: true
decision := drop(
	"sstp.confirmed",
	sprintf("SSTP %s to %s, read in clear and not sanctioned.", [kind, server]),
) if {
	input.detection.verdict == "confirmed"
	not sanctioned
}

decision := drop(
	"sstp.suspected",
	sprintf("Looks like an SSTP %s to %s (score %d), not sanctioned.", [kind, server, input.detection.score]),
) if {
	input.detection.verdict == "suspected"
	not sanctioned
}

decision := {
	"action": "log",
	"rule": "sstp.sanctioned",
	"reason": sprintf("SSTP %s to %s, sanctioned by %s.", [kind, server, concat(" and ", sanctioned_by)]),
} if {
	input.detection.verdict in {"suspected", "confirmed"}
	sanctioned
}

decision := {
	"action": "allow",
	"rule": "sstp.cleared",
	"reason": "Not SSTP.",
} if {
	input.detection.verdict == "cleared"
}

decision := {
	"action": "allow",
	"rule": "sstp.undetermined",
	"reason": "Not enough is known to call it SSTP.",
} if {
	input.detection.verdict == "undetermined"
}
