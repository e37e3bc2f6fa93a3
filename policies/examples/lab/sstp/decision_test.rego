# METADATA
# description: They hold for data.yaml as it is in this folder. Change both together.
package sstp_test

import data.sstp

found(verdict, ip) := object.union(flow(verdict), {
	"server": {"name": "sstp.lab", "ip": ip},
	"detection": {"evidence": [
		{"rule": "tls.control_lengths", "weight": 30, "proof": false, "detail": "14 then 48"},
		{"rule": "tls.alpn", "weight": -3, "proof": false, "detail": "h2"},
	]},
})

test_everything_is_logged_with_reasons if {
	every verdict in ["undetermined", "suspected", "confirmed", "cleared"] {
		decision := sstp.decision with input as found(verdict, "198.51.100.7")
		decision == {
			"action": "log",
			"rule": concat(".", ["lab", verdict]),
			"reason": sprintf(
				"tunnel to sstp.lab is %s, score 40: tls.control_lengths 30 (14 then 48), tls.alpn -3 (h2).",
				[verdict],
			),
			"probe": false,
		}
	}
}

test_without_evidence if {
	decision := sstp.decision with input as flow("undetermined")
	decision.reason == "tunnel to vpn.example.org is undetermined, score 40: no evidence."
}

test_suspected_servers_of_the_lab_are_probed if {
	sstp.decision.probe with input as found("suspected", "192.168.1.7")
	sstp.decision.probe with input as found("suspected", "fd00::7")
	not sstp.decision.probe with input as found("confirmed", "192.168.1.7")
	not sstp.decision.probe with input as found("suspected", "203.0.113.7")
}
