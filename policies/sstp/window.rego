package sstp

# METADATA
# description: |
#   Says that the time is within a window: an object with from and until.
#
#   Where these are in the form of RFC 3339 it opens once. Where they are times of
#   the day ("08:00") it recurs by the clock of its zone ("Europe/Berlin"), on its
#   days (a list of mon to sun) or on all. If until is not after from it ends on
#   the next day. Until may be "24:00".
open(window) if {
	contains(window.from, "T")
	now >= time.parse_rfc3339_ns(window.from)
	now < time.parse_rfc3339_ns(window.until)
}

open(window) if {
	[day, clock] := local(window)
	window.from < window.until
	window.from <= clock
	clock < window.until
	on(window, day)
}

open(window) if {
	[day, clock] := local(window)
	window.from >= window.until
	window.from <= clock
	on(window, day)
}

open(window) if {
	[day, clock] := local(window)
	window.from >= window.until
	clock < window.until
	on(window, before[day])
}

# local is the day and the time of the day where a recurring window is.
local(window) := split(lower(time.format([now, window.zone, "Mon 15:04"])), " ") if {
	not contains(window.from, "T")
}

on(window, _) if not window.days

on(window, day) if day in window.days

before := {"mon": "sun", "tue": "mon", "wed": "tue", "thu": "wed", "fri": "thu", "sat": "fri", "sun": "sat"}

# METADATA
# description: |
#   Says that the window is meant for the client: it may have networks, without
#   which it is open to all.
open_to_client(window) if not window.networks

open_to_client(window) if {
	some network in window.networks
	within(network, input.src_ip)
}
