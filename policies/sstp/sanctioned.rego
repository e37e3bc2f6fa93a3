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
#                   name          optional, and narrows the others down:
#                                 "vpn.example.org", "*.example.org" for all names
#                                 below it, ".example.org" for both
#                 One of addresses or certificates must match. A name alone
#                 sanctions nothing, because the client chooses it.
#   users         who the client is, as the proxy or the point says it
#   windows       spans of time, see window.rego
#
#   An entry of certificates, networks or users is a text, or an object that has
#   it under certificate, network or user. Every object may also have
#     expires  a time in the form of RFC 3339, or a day, which counts to its end
#              in UTC: from then on the entry sanctions nothing
#     note     why it is there, which reasons repeat
sanctioned if {
	is_object(data.sanctioned) # most have none: then no list is asked for
	some _ in sanctioned_by
}

# METADATA
# description: Which of the lists sanction the connection, with notes.
sanctioned_by contains remark("certificate", entry) if {
	some entry in data.sanctioned.certificates
	shown(plain(entry, "certificate"))
	valid(entry)
}

sanctioned_by contains remark("network", entry) if {
	some entry in data.sanctioned.networks
	within(plain(entry, "network"), input.src_ip)
	valid(entry)
}

sanctioned_by contains remark("server", entry) if {
	some entry in data.sanctioned.servers
	named(entry)
	identified(entry)
	valid(entry)
}

sanctioned_by contains remark("user", entry) if {
	some entry in data.sanctioned.users
	lower(plain(entry, "user")) == lower(input.user)
	valid(entry)
}

sanctioned_by contains remark("window", entry) if {
	some entry in data.sanctioned.windows
	open(entry)
	open_to_client(entry)
	valid(entry)
}

remark(list, entry) := sprintf("%s (%s)", [list, entry.note]) if {
	entry.note
} else := list

# plain is the entry, or what it has under key. What is no object then fails the
# evaluation.
plain(entry, key) := entry if {
	is_string(entry)
} else := object.get(entry, key, null)

# valid says that the entry has not expired.
valid(entry) if not entry.expires

valid(entry) if now < expiry(entry.expires)

now := time.parse_rfc3339_ns(input.time)

expiry(text) := time.parse_rfc3339_ns(text) if {
	contains(text, "T")
} else := time.add_date(time.parse_ns("2006-01-02", text), 0, 0, 1)

named(entry) if not entry.name

named(entry) if matches(trim_suffix(lower(entry.name), "."), input.server.name)

matches(pattern, name) if name == pattern

matches(pattern, name) if {
	startswith(pattern, "*.")
	endswith(name, trim_prefix(pattern, "*"))
}

matches(pattern, name) if {
	startswith(pattern, ".")
	endswith(concat("", [".", name]), pattern)
}

identified(entry) if {
	some network in entry.addresses
	within(network, input.server.ip)
}

identified(entry) if {
	some certificate in entry.certificates
	shown(certificate)
}

shown(certificate) if replace(lower(certificate), ":", "") == input.tls.certificate_sha256
