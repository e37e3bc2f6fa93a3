package sstp

# METADATA
# description: |
#   A drop as it is enforced. What goes with it is data:
#
#   enforcement   an object; reset: true tells both ends, and ban: "10m" refuses
#                 the next attempts for so long. Without it neither is done.
#   dry_run       names of rules: their drops are only told, not enforced
drop(rule, reason) := object.union_n([
	enforcement,
	trial(rule),
	{"action": "drop", "rule": rule, "reason": reason},
])

default enforcement := {}

enforcement := data.enforcement if is_object(data.enforcement)

trial(rule) := {"dry_run": true} if {
	rule in data.dry_run
} else := {}
