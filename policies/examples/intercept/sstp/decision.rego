# METADATA
# title: Open TLS of some clients, and ask servers
# description: |
#   SSTP is dropped as with the default rules. Beside that the proxy opens TLS
#   of the clients in data.yaml, and asks servers whose connections have something
#   of SSTP without being enough for a case. An opened tunnel that is sanctioned
#   breaks, and is left closed at the client's next attempt. The other files of this
#   folder are those of the default rules.
package sstp

# METADATA
# entrypoint: true
decision := drop("intercept.sstp", sprintf("SSTP %s to %s is %s, not sanctioned.", [kind, server, input.detection.verdict])) if {
	is_sstp
	not sanctioned
}

decision := {
	"action": "log",
	"rule": "intercept.sanctioned",
	"reason": sprintf("SSTP %s to %s, sanctioned by %s.", [kind, server, concat(" and ", sanctioned_by)]),
} if {
	is_sstp
	sanctioned
}

decision := object.union_n([opening, asking, {
	"action": "allow",
	"rule": "intercept.rest",
	"reason": "No SSTP that is known of.",
}]) if {
	not is_sstp
}

is_sstp if input.detection.verdict in {"suspected", "confirmed"}

# Opening counts at the stage at which the ClientHello was read.
opening := {"intercept": true} if {
	input.stage == "hello"
	some network in data.intercept.networks
	within(network, input.src_ip)
	not excepted
} else := {}

excepted if {
	some name in data.intercept.except
	matches(name, input.tls.sni)
}

asking := {"probe": true} if {
	input.detection.verdict == "undetermined"
	input.detection.score >= data.probe_from
} else := {}
