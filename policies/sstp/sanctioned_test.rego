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
	not sstp.sanctioned with input as flow("confirmed") with data.sanctioned as {}
	by({}) == set()
	by(null) == set()
	by({"servers": null, "networks": null, "users": null, "windows": null, "certificates": null}) == set()
	by({"servers": [], "networks": [], "users": [], "windows": [], "certificates": []}) == set()
}

test_any_list_sanctions if {
	sstp.sanctioned with input as flow("confirmed") with data.sanctioned as {"networks": ["10.0.0.0/8"]}
	not sstp.sanctioned with input as flow("confirmed") with data.sanctioned as {"networks": ["192.0.2.0/24"]}
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

test_certificate_as_openssl_writes_it if {
	pairs := regex.find_n("..", upper(certificate), -1)
	by({"certificates": [concat(":", pairs)]}) == {"certificate"}
	by({"servers": [{"certificates": [concat(":", pairs)]}]}) == {"server"}
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

named_so(name) if by({"servers": [{"name": name, "addresses": ["198.51.100.7"]}]}) == {"server"}

test_server_name_with_what_is_below if {
	named_so("*.example.org")
	named_so("*.ORG.")
	named_so(".example.org")
	named_so(".vpn.example.org")
	not named_so("*.vpn.example.org")
	not named_so("*.ample.org")
	not named_so(".ample.org")
	not named_so("*.example.com")
	not named_so("example.org")
}

test_server_name_with_what_is_below_alone_sanctions_nothing if {
	by({"servers": [{"name": "*.example.org"}]}) == set()
	by({"servers": [{"name": ".example.org", "addresses": ["203.0.113.5"]}]}) == set()
}

test_server_without_a_name_in_the_hello if {
	nameless := json.remove(flow("confirmed"), ["server/name"])
	every name in ["vpn.example.org", "*.example.org", ".example.org"] {
		not sstp.sanctioned with input as nameless
			with data.sanctioned as {"servers": [{"name": name, "addresses": ["198.51.100.7"]}]}
	}
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

# Entries may be objects, and say why they are there.
test_entries_as_objects if {
	by({"certificates": [{"certificate": certificate}]}) == {"certificate"}
	by({"networks": [{"network": "10.1.2.3"}, {"network": "192.0.2.0/24"}]}) == {"network"}
	by({"users": [{"user": "example\\alice"}]}) == {"user"}
	by({"users": [{"user": "bob"}]}) == set()
}

test_notes if {
	by({"certificates": [{"certificate": certificate, "note": "a"}]}) == {"certificate (a)"}
	by({"networks": ["192.0.2.0/24", {"network": "10.1.2.3", "note": "b"}]}) == {"network (b)"}
	by({"servers": [{"addresses": ["198.51.100.7"], "note": "c"}]}) == {"server (c)"}
	by({"users": [{"user": "EXAMPLE\\alice", "note": "d"}]}) == {"user (d)"}
	by({"windows": [object.union(always, {"note": "e"})]}) == {"window (e)"}
}

always := {"from": "2000-01-01T00:00:00Z", "until": "2100-01-01T00:00:00Z"}

# by_until says which lists sanction the tunnel if all of them expire then.
by_until(expires) := by({
	"certificates": [{"certificate": certificate, "expires": expires}],
	"networks": [{"network": "10.1.2.3", "expires": expires}],
	"servers": [{"addresses": ["198.51.100.7"], "expires": expires}],
	"users": [{"user": "EXAMPLE\\alice", "expires": expires}],
	"windows": [object.union(always, {"expires": expires})],
})

# The tunnel is seen on 2026-11-22 at 05:00 UTC.
test_not_expired if {
	every expires in ["2026-11-22", "2027-01-01", "2026-11-22T05:00:01Z", "2026-11-22T05:00:00-01:00"] {
		by_until(expires) == {"certificate", "network", "server", "user", "window"}
	}
}

test_expired if {
	every expires in ["2026-11-21", "2025-12-31", "2026-11-22T05:00:00Z", "2026-11-22T05:30:00+01:00"] {
		by_until(expires) == set()
	}
}

# What expires is not sanctioned at an unknown time.
test_expires_without_a_time if {
	timeless := json.remove(flow("confirmed"), ["time"])
	not sstp.sanctioned with input as timeless
		with data.sanctioned as {"networks": [{"network": "10.1.2.3", "expires": "2030-01-01"}]}
}
