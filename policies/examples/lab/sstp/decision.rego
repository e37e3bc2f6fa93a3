# METADATA
# title: Drop nothing, log everything
# description: |
#   For labs that compare what is detected with what was sent. Each connection
#   gives an event, of which the reason lists the evidence. Whether a suspected
#   server speaks SSTP is asked by a probe, if it is one of the lab's own
#   (data.yaml). The other files of this folder are those of the default rules.
package sstp

# METADATA
# entrypoint: true
decision := {
	"action": "log",
	"rule": concat(".", ["lab", input.detection.verdict]),
	"reason": sprintf("%s to %s is %s, score %d: %s.", [
		kind,
		server,
		input.detection.verdict,
		input.detection.score,
		findings,
	]),
	"probe": probe,
}

findings := concat(", ", [reason |
	some evidence in input.detection.evidence
	reason := sprintf("%s %d (%s)", [evidence.rule, evidence.weight, evidence.detail])
]) if {
	input.detection.evidence
} else := "no evidence"

default probe := false

probe if {
	input.detection.verdict == "suspected"
	some network in data.probe
	within(network, input.server.ip)
}
