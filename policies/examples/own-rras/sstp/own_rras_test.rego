# METADATA
# title: Tests of the data of own-rras
# description: |
#   They hold for data.yaml as it is in this folder. Change both together.
package sstp_test

import data.sstp

our_certificate := "4f5c0ea619b2773d80c4e15b962af8036ed148bc259f701ac357ee840b92d63f"

# attempt is a tunnel of somebody in the office, on a Monday at noon.
attempt(server, sha256) := {
	"src_ip": "10.1.2.3",
	"server": server,
	"detection": {"verdict": "suspected", "kind": "tunnel", "score": 40},
	"tls": {"certificate_sha256": sha256},
	"time": "2026-11-23T12:00:00.000000Z",
}

at(time, address) := object.union(
	attempt({"name": "elsewhere.example.net", "ip": "198.51.100.99"}, "00"),
	{"time": time, "src_ip": address},
)

test_our_server if {
	decision := sstp.decision with input as attempt({"name": "vpn.example.com", "ip": "203.0.113.10"}, "00")
	decision.action == "log"
	decision.reason == "SSTP tunnel to vpn.example.com, sanctioned by server (our RRAS)."
}

test_our_certificate_at_another_address if {
	decision := sstp.decision with input as attempt({"name": "vpn.example.com", "ip": "192.0.2.1"}, our_certificate)
	decision.action == "log"
}

test_our_name_at_another_server if {
	decision := sstp.decision with input as attempt({"name": "vpn.example.com", "ip": "192.0.2.1"}, "00")
	decision.action == "drop"
	decision.reset
}

test_another_server if {
	decision := sstp.decision with input as attempt({"name": "elsewhere.example.net", "ip": "198.51.100.99"}, "00")
	decision.action == "drop"
}

test_contractor_on_saturday_night if {
	every time in ["2026-11-21T21:00:00.000000Z", "2026-11-22T02:59:59.999999Z"] {
		sstp.decision.rule == "sstp.sanctioned" with input as at(time, "10.20.30.40")
		sstp.decision.action == "drop" with input as at(time, "10.1.2.3")
	}
}

test_contractor_at_other_times if {
	every time in ["2026-11-21T20:59:59.999999Z", "2026-11-22T03:00:00.000000Z", "2026-11-22T21:00:00.000000Z"] {
		sstp.decision.action == "drop" with input as at(time, "10.20.30.40")
	}
}

test_contractor_after_the_contract if {
	sstp.decision.action == "log" with input as at("2027-12-25T22:00:00.000000Z", "10.20.30.40")
	sstp.decision.action == "drop" with input as at("2028-01-01T22:00:00.000000Z", "10.20.30.40")
}
