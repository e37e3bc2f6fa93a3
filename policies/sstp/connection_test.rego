package sstp_test

import data.sstp

test_server_and_kind if {
	sstp.server == "vpn.example.org" with input as flow("confirmed")
	sstp.kind == "tunnel" with input as flow("confirmed")
}

test_server_without_a_name if {
	sstp.server == "198.51.100.7" with input as json.remove(flow("confirmed"), ["server/name"])
}

test_server_and_kind_unknown if {
	nobody := json.remove(flow("confirmed"), ["server", "detection/kind"])
	sstp.server == "an unknown server" with input as nobody
	sstp.kind == "connection" with input as nobody
}

test_within if {
	sstp.within("10.1.0.0/16", "10.1.2.3")
	sstp.within("10.1.2.3", "10.1.2.3")
	sstp.within("2001:db8::/32", "2001:db8::7")
	sstp.within("2001:DB8:0::7", "2001:db8::7")
}

test_not_within if {
	not sstp.within("10.1.0.0/16", "10.2.0.1")
	not sstp.within("10.1.2.4", "10.1.2.3")
	not sstp.within("0.0.0.0/0", "2001:db8::7")
	not sstp.within("::/0", "10.1.2.3")
	not sstp.within("2001:db8::8", "2001:db8::7")
}
