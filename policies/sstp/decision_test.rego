package sstp_test

import data.sstp

# decide is the decision without any data.
decide(connection) := decision if {
	decision := sstp.decision with input as connection
		with data.sanctioned as {}
		with data.enforcement as {}
		with data.dry_run as []
}

test_confirmed_is_dropped if {
	decide(flow("confirmed")) == {
		"action": "drop",
		"rule": "sstp.confirmed",
		"reason": "SSTP tunnel to vpn.example.org, read in clear and not sanctioned.",
	}
}

test_suspected_is_dropped if {
	decide(flow("suspected")) == {
		"action": "drop",
		"rule": "sstp.suspected",
		"reason": "Looks like an SSTP tunnel to vpn.example.org (score 40), not sanctioned.",
	}
}

test_cleared_is_allowed if {
	decide(flow("cleared")) == {"action": "allow", "rule": "sstp.cleared", "reason": "Not SSTP."}
}

test_undetermined_is_allowed if {
	decision := decide(flow("undetermined"))
	decision.action == "allow"
	decision.rule == "sstp.undetermined"
}

# A verdict that nobody knows is no allow.
test_other_verdicts_are_undefined if {
	not decide(flow("probably"))
}

test_nothing_known_is_undefined if {
	not decide({})
}

# What SSTP is asked about holds at every stage and at every point.
test_stage_and_point_do_not_matter if {
	every stage in ["connect", "hello", "detection"] {
		every point in ["audit", "proxy", "nfq"] {
			decide(object.union(flow("confirmed"), {"stage": stage, "point": point})).action == "drop"
		}
	}
}

# Sanctions are for SSTP, and enforcement is for drops: they say nothing of
# other connections.
test_data_does_not_change_the_rest if {
	every verdict in ["cleared", "undetermined"] {
		decision := sstp.decision with input as flow(verdict)
			with data.sanctioned as {"networks": ["0.0.0.0/0"]}
			with data.enforcement as {"reset": true}
			with data.dry_run as [concat(".", ["sstp", verdict])]
		decision == decide(flow(verdict))
	}
}

test_sanctioned_is_logged if {
	every verdict in ["suspected", "confirmed"] {
		decision := sstp.decision with input as flow(verdict)
			with data.sanctioned as {"networks": ["0.0.0.0/0"], "certificates": [certificate]}
			with data.enforcement as {"reset": true}
			with data.dry_run as ["sstp.sanctioned"]
		decision == {
			"action": "log",
			"rule": "sstp.sanctioned",
			"reason": "SSTP tunnel to vpn.example.org, sanctioned by certificate and network.",
		}
	}
}

test_notes_are_repeated if {
	decision := sstp.decision with input as flow("confirmed")
		with data.sanctioned as {
			"networks": [{"network": "10.1.0.0/16", "note": "branch office"}],
			"servers": [{"addresses": ["198.51.100.7"], "note": "head office"}],
			"users": ["EXAMPLE\\alice"],
		}
	decision.reason == concat("", [
		"SSTP tunnel to vpn.example.org, sanctioned by ",
		"network (branch office) and server (head office) and user.",
	])
}

test_enforcement_goes_with_drops if {
	every verdict in ["suspected", "confirmed"] {
		decision := sstp.decision with input as flow(verdict)
			with data.sanctioned as {}
			with data.enforcement as {"reset": true, "ban": "10m"}
			with data.dry_run as ["sstp.confirmed"]
		decision == object.union_n([
			decide(flow(verdict)),
			{"reset": true, "ban": "10m"},
			{"suspected": {}, "confirmed": {"dry_run": true}}[verdict],
		])
	}
}
