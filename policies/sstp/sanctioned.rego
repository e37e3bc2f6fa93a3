package sstp

# METADATA
# description: |
#   The tunnels that are meant to be. They are lists in data.sanctioned, of which
#   each may be missing:
#
#   certificates  SHA-256 of a server's certificate, in hexadecimal. A certificate
#                 is seen, not verified: a rogue server can show a copy to a client
#                 that plays along.
#   networks      clients, as prefixes or addresses
#   servers       objects with
#                   addresses     prefixes or addresses of the server
#                   certificates  SHA-256 as above
#                   name          optional, and narrows the others down
#                 One of addresses or certificates must match. A name alone
#                 sanctions nothing, because the client chooses it.
#   users         who the client is, as the proxy or the point says it
#   windows       objects with from and until, RFC 3339, and optionally networks
#                 of clients, without which the window is open to all
sanctioned if some _ in sanctioned_by

# METADATA
# description: Which of the lists sanction the connection.
sanctioned_by contains "certificate" if {
	some certificate in data.sanctioned.certificates
	shown(certificate)
}

sanctioned_by contains "network" if {
	some network in data.sanctioned.networks
	holds(network, input.src_ip)
}

sanctioned_by contains "server" if {
	some entry in data.sanctioned.servers
	named(entry)
	identified(entry)
}

sanctioned_by contains "user" if {
	some user in data.sanctioned.users
	lower(user) == lower(input.user)
}

sanctioned_by contains "window" if {
	some window in data.sanctioned.windows
	now := time.parse_rfc3339_ns(input.time)
	now >= time.parse_rfc3339_ns(window.from)
	now < time.parse_rfc3339_ns(window.until)
	open_to_client(window)
}

named(entry) if not entry.name

named(entry) if trim_suffix(lower(entry.name), ".") == input.server.name

identified(entry) if {
	some network in entry.addresses
	holds(network, input.server.ip)
}

identified(entry) if {
	some certificate in entry.certificates
	shown(certificate)
}

open_to_client(window) if not window.networks

open_to_client(window) if {
	some network in window.networks
	holds(network, input.src_ip)
}

shown(certificate) if lower(certificate) == input.tls.certificate_sha256

# holds says that address lies in network, which is a prefix or one address.
holds(network, address) if net.cidr_contains(prefix(network), address)

prefix(network) := network if contains(network, "/")

prefix(network) := sprintf("%s/128", [network]) if {
	not contains(network, "/")
	contains(network, ":")
}

prefix(network) := sprintf("%s/32", [network]) if {
	not contains(network, "/")
	not contains(network, ":")
}
