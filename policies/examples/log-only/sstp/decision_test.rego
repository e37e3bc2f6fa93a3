# METADATA
# description: They hold for data.yaml as it is in this folder. Change both together.
package sstp_test

import data.sstp

from_address(verdict, address) := decision if {
	decision := sstp.decision with input as object.union(flow(verdict), {"src_ip": address})
}

test_elsewhere_it_is_logged if {
	every verdict in ["suspected", "confirmed"] {
		from_address(verdict, "10.1.2.3") == {
			"action": "log",
			"rule": "log_only.would_drop",
			"reason": sprintf(
				"SSTP tunnel to vpn.example.org is %s, score 40; not sanctioned, so it will be dropped one day.",
				[verdict],
			),
		}
	}
}

test_in_the_canary_network_it_is_dropped if {
	every address in ["10.99.0.7", "2001:db8:99::7"] {
		from_address("suspected", address) == {
			"action": "drop",
			"rule": "log_only.canary",
			"reason": "SSTP tunnel to vpn.example.org is suspected, score 40; not sanctioned, in a canary network.",
			"reset": true,
		}
	}
}

test_sanctioned_is_logged_everywhere if {
	every address in ["10.1.2.3", "10.99.0.7"] {
		ours := object.union(flow("confirmed"), {"src_ip": address, "server": {"name": "vpn.example.com", "ip": "203.0.113.10"}})
		decision := sstp.decision with input as ours
		decision.rule == "log_only.sanctioned"
		decision.reason == "SSTP tunnel to vpn.example.com is confirmed, score 40; sanctioned by server (our RRAS)."
	}
}

test_the_rest_is_logged if {
	every verdict in ["undetermined", "cleared"] {
		from_address(verdict, "10.99.0.7") == {
			"action": "log",
			"rule": "log_only.rest",
			"reason": sprintf("No SSTP that is known of: %s.", [verdict]),
		}
	}
}

test_the_rest_need_not_be_logged if {
	decision := sstp.decision with input as flow("cleared") with data.log as ["undetermined"]
	decision.action == "allow"
}
