package sstp

# METADATA
# description: How far SSTP went, in a word for reasons.
kind := object.get(input.detection, "kind", "connection")

# METADATA
# description: Whom the client wants to reach, in words for reasons.
server := input.server.name if {
	input.server.name
} else := input.server.ip if {
	input.server.ip
} else := "an unknown server"

# METADATA
# description: |
#   Says that address lies in a network, which is a prefix or one address.
within(network, address) if net.cidr_contains(prefix(network), address)

prefix(network) := network if {
	contains(network, "/")
} else := concat("", [network, "/128"]) if {
	contains(network, ":")
} else := concat("", [network, "/32"])
