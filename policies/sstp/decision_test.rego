package sstp_test

import data.sstp

test_confirmed_is_dropped if {
	decision := sstp.decision with input as flow("confirmed")
	decision == {
		"action": "drop",
		"rule": "sstp.confirmed",
		"reason": "SSTP tunnel to vpn.example.org, read in clear and not sanctioned.",
	}
}

test_suspected_is_dropped if {
	decision := sstp.decision with input as flow("suspected")
	decision == {
		"action": "drop",
		"rule": "sstp.suspected",
		"reason": "Looks like an SSTP tunnel to vpn.example.org (score 40), not sanctioned.",
	}
}

test_cleared_is_allowed if {
	decision := sstp.decision with input as flow("cleared")
	decision == {"action": "allow", "rule": "sstp.cleared", "reason": "Not SSTP."}
}

test_undetermined_is_allowed if {
	decision := sstp.decision with input as flow("undetermined")
	decision.action == "allow"
	decision.rule == "sstp.undetermined"
}

# A verdict that nobody knows is no allow.
test_other_verdicts_are_undefined if {
	not sstp.decision with input as flow("probably")
}

test_nothing_known_is_undefined if {
	not sstp.decision with input as {}
}

# What SSTP is asked about holds at every stage and at every point.
test_stage_and_point_do_not_matter if {
	every stage in ["connect", "hello", "detection"] {
		every point in ["audit", "proxy", "nfq"] {
			sstp.decision.action == "drop" with input as object.union(flow("confirmed"), {"stage": stage, "point": point})
		}
	}
}

# Sanctions are for SSTP: they say nothing of other connections.
test_sanctions_do_not_change_the_rest if {
	every verdict in ["cleared", "undetermined"] {
		sstp.decision.action == "allow" with input as flow(verdict)
			with data.sanctioned as {"networks": ["0.0.0.0/0"]}
	}
}

test_sanctioned_is_logged if {
	every verdict in ["suspected", "confirmed"] {
		decision := sstp.decision with input as flow(verdict)
			with data.sanctioned as {"networks": ["0.0.0.0/0"], "certificates": [certificate]}
		decision == {
			"action": "log",
			"rule": "sstp.sanctioned",
			"reason": "SSTP tunnel to vpn.example.org, sanctioned by certificate and network.",
		}
	}
}

test_server_without_a_name if {
	nameless := json.remove(flow("confirmed"), ["server/name"])
	contains(sstp.decision.reason, " to 198.51.100.7,") with input as nameless
}

test_server_unknown if {
	nobody := json.remove(flow("confirmed"), ["server", "detection/kind"])
	startswith(sstp.decision.reason, "SSTP connection to an unknown server,") with input as nobody
}
