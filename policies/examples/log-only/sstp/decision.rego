# METADATA
# title: Log everything, drop only in a canary network
# description: |
#   For the first weeks: events tell what the default rules would drop, and users
#   in one network find out what that is like. Networks and verbosity are in
#   data.yaml. The other files of this folder are those of the default rules.
package sstp

# METADATA
# entrypoint: true
decision := drop("log_only.canary", concat("", [finding, "; not sanctioned, in a canary network."])) if {
	is_sstp
	not sanctioned
	in_canary
}

decision := {
	"action": "log",
	"rule": "log_only.would_drop",
	"reason": concat("", [finding, "; not sanctioned, so it will be dropped one day."]),
} if {
	is_sstp
	not sanctioned
	not in_canary
}

decision := {
	"action": "log",
	"rule": "log_only.sanctioned",
	"reason": sprintf("%s; sanctioned by %s.", [finding, concat(" and ", sanctioned_by)]),
} if {
	is_sstp
	sanctioned
}

decision := {
	"action": {true: "log", false: "allow"}[input.detection.verdict in data.log],
	"rule": "log_only.rest",
	"reason": sprintf("No SSTP that is known of: %s.", [input.detection.verdict]),
} if {
	input.detection.verdict in {"undetermined", "cleared"}
}

is_sstp if input.detection.verdict in {"suspected", "confirmed"}

finding := sprintf("SSTP %s to %s is %s, score %d", [kind, server, input.detection.verdict, input.detection.score])

in_canary if {
	some network in data.canary
	within(network, input.src_ip)
}
