# METADATA
# description: They hold for data.yaml as it is in this folder. Change both together.
package sstp_test

import data.sstp

changed(verdict, change) := decision if {
	decision := sstp.decision with input as object.union(flow(verdict), change)
}

test_sstp_is_dropped if {
	every verdict in ["suspected", "confirmed"] {
		changed(verdict, {}) == {
			"action": "drop",
			"rule": "intercept.sstp",
			"reason": sprintf("SSTP tunnel to vpn.example.org is %s, not sanctioned.", [verdict]),
		}
	}
}

test_sanctioned_is_logged if {
	decision := changed("confirmed", {"server": {"name": "vpn.example.com", "ip": "203.0.113.10"}})
	decision.action == "log"
	decision.rule == "intercept.sanctioned"
	not decision.intercept
}

test_tls_is_opened_at_the_hello if {
	changed("undetermined", {"stage": "hello", "detection": {"score": 0}}) == {
		"action": "allow",
		"rule": "intercept.rest",
		"reason": "No SSTP that is known of.",
		"intercept": true,
	}
	not changed("undetermined", {"stage": "detection"}).intercept
}

test_not_of_other_clients if {
	not changed("undetermined", {"stage": "hello", "src_ip": "192.0.2.1"}).intercept
}

test_not_to_excepted_servers if {
	every name in ["bank.example", "www.bank.example", "a.health.example"] {
		not changed("undetermined", {"stage": "hello", "tls": {"sni": name}}).intercept
	}
	changed("undetermined", {"stage": "hello", "tls": {"sni": "health.example"}}).intercept
}

test_half_suspected_servers_are_asked if {
	changed("undetermined", {"detection": {"score": 20}}).probe
	not changed("undetermined", {"detection": {"score": 19}}).probe
	not changed("cleared", {"detection": {"score": 40}}).probe
}
