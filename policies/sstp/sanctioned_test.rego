package sstp_test

import data.sstp

certificate := "e65423f1a1f1d4b0f2c3a4958677ab0c1d2e3f405162738495a6b7c8d9e3a11e"

# flow is a tunnel of alice from 10.1.2.3 to vpn.example.org at 198.51.100.7.
flow(verdict) := {
	"src_ip": "10.1.2.3",
	"user": "EXAMPLE\\alice",
	"server": {"name": "vpn.example.org", "ip": "198.51.100.7", "port": 443},
	"detection": {"verdict": verdict, "kind": "tunnel", "score": 40},
	"tls": {"sni": "vpn.example.org", "certificate_sha256": certificate},
	"stage": "detection",
	"point": "nfq",
	"time": "2026-11-22T05:00:00.000000Z",
}

# by says which lists sanction that tunnel.
by(sanctioned) := names if {
	names := sstp.sanctioned_by with input as flow("confirmed") with data.sanctioned as sanctioned
}

by_from(address, sanctioned) := names if {
	from_there := object.union(flow("confirmed"), {"src_ip": address})
	names := sstp.sanctioned_by with input as from_there with data.sanctioned as sanctioned
}

test_nothing_is_sanctioned_by_default if {
	not sstp.sanctioned with input as flow("confirmed")
	by({}) == set()
	by({"servers": [], "networks": [], "users": [], "windows": [], "certificates": []}) == set()
}

test_facts_that_are_missing_sanction_nothing if {
	every missing in ["src_ip", "user", "server", "tls", "time"] {
		bare := json.remove(flow("confirmed"), [missing])
		not sstp.sanctioned with input as bare with data.sanctioned as {
			"servers": [{"name": "other.example", "addresses": ["203.0.113.5"], "certificates": ["00"]}],
			"networks": ["192.0.2.0/24"],
			"users": ["bob"],
			"windows": [{"from": "2030-01-01T00:00:00Z", "until": "2031-01-01T00:00:00Z"}],
			"certificates": ["00"],
		}
	}
}

test_certificate if {
	by({"certificates": ["00", certificate]}) == {"certificate"}
	by({"certificates": [upper(certificate)]}) == {"certificate"}
	by({"certificates": ["00"]}) == set()
}

test_network if {
	by({"networks": ["192.0.2.0/24", "10.1.0.0/16"]}) == {"network"}
	by({"networks": ["10.1.2.3"]}) == {"network"}
	by({"networks": ["10.1.2.4", "2001:db8::/32"]}) == set()
}

test_network_ipv6 if {
	by_from("2001:db8::7", {"networks": ["2001:db8::/32"]}) == {"network"}
	by_from("2001:db8::7", {"networks": ["2001:DB8:0::7"]}) == {"network"}
	by_from("2001:db8::7", {"networks": ["2001:db8::8", "10.0.0.0/8"]}) == set()
}

# The name is the client's to choose.
test_server_name_alone_sanctions_nothing if {
	by({"servers": [{"name": "vpn.example.org"}]}) == set()
	by({"servers": [{"name": "vpn.example.org", "addresses": [], "certificates": []}]}) == set()
}

test_server_name_with_address if {
	by({"servers": [{"name": "vpn.example.org", "addresses": ["198.51.100.7"]}]}) == {"server"}
	by({"servers": [{"name": "VPN.Example.ORG.", "addresses": ["198.51.100.0/24"]}]}) == {"server"}
	by({"servers": [{"name": "vpn.example.org", "addresses": ["203.0.113.5"]}]}) == set()
}

test_server_name_with_certificate if {
	by({"servers": [{"name": "vpn.example.org", "certificates": [certificate]}]}) == {"server"}
	by({"servers": [{"name": "vpn.example.org", "certificates": ["00"]}]}) == set()
	by({"servers": [{"name": "vpn.example.org", "addresses": ["203.0.113.5"], "certificates": [certificate]}]}) == {"server"}
}

test_server_name_narrows if {
	by({"servers": [{"name": "other.example", "addresses": ["198.51.100.7"], "certificates": [certificate]}]}) == set()
}

test_server_address_without_a_name if {
	by({"servers": [{"addresses": ["198.51.100.7"]}]}) == {"server"}
	by({"servers": [{}]}) == set()
}

# The target of a CONNECT that nobody resolved has no address, and that of the
# proxy does not count.
test_server_not_resolved if {
	unresolved := object.union(
		json.remove(flow("confirmed"), ["server/ip", "tls"]),
		{"dest_ip": "10.9.0.1"},
	)
	every addresses in [["198.51.100.7"], ["10.9.0.1"], ["0.0.0.0/0"]] {
		not sstp.sanctioned with input as unresolved
			with data.sanctioned as {"servers": [{"name": "vpn.example.org", "addresses": addresses}]}
	}
}

test_user if {
	by({"users": ["bob", "example\\ALICE"]}) == {"user"}
	by({"users": ["alice"]}) == set()
}

# A name that only the client claims is not the user.
test_claimed_user if {
	claimed := object.union(
		json.remove(flow("confirmed"), ["user"]),
		{"connect": {"user": "alice"}, "ppp": {"user": "alice"}},
	)
	not sstp.sanctioned with input as claimed with data.sanctioned as {"users": ["alice"]}
}

window(from, until) := {"from": from, "until": until}

test_window if {
	by({"windows": [window("2026-11-22T05:00:00Z", "2026-11-22T05:00:01Z")]}) == {"window"}
	by({"windows": [window("2026-11-22T06:00:00+02:00", "2026-11-22T07:00:00+02:00")]}) == set()
	by({"windows": [window("2026-11-22T05:00:01Z", "2026-11-23T00:00:00Z")]}) == set()
	by({"windows": [window("2026-11-21T00:00:00Z", "2026-11-22T05:00:00Z")]}) == set()
}

test_window_for_networks if {
	now := window("2026-11-22T00:00:00Z", "2026-11-23T00:00:00Z")
	by({"windows": [object.union(now, {"networks": ["10.1.0.0/16"]})]}) == {"window"}
	by({"windows": [object.union(now, {"networks": ["192.0.2.0/24"]})]}) == set()
	by({"windows": [object.union(now, {"networks": []})]}) == set()
}
