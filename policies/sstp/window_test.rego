package sstp_test

import data.sstp

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

# open_at says that a window is open at a time.
open_at(time, entry) if {
	sstp.open(entry) with input as {"time": time}
}

# Berlin is at UTC+1 in winter, at UTC+2 in summer.
berlin(days, from, until) := {"days": days, "from": from, "until": until, "zone": "Europe/Berlin"}

working_hours := berlin(["mon", "tue", "wed", "thu", "fri"], "08:00", "18:00")

# 2026-11-23 is a Monday.
test_recurring if {
	every time in ["2026-11-23T07:00:00.000000Z", "2026-11-23T16:59:59.999999Z", "2026-11-27T12:00:00.000000Z"] {
		open_at(time, working_hours)
	}
	every time in ["2026-11-23T06:59:59.999999Z", "2026-11-23T17:00:00.000000Z", "2026-11-22T12:00:00.000000Z", "2026-11-28T12:00:00.000000Z"] {
		not open_at(time, working_hours)
	}
}

# The day is that of the zone, not of UTC.
test_recurring_day_of_the_zone if {
	monday := {"days": ["mon"], "from": "00:00", "until": "24:00", "zone": "Pacific/Auckland"} # UTC+13
	open_at("2026-11-22T11:00:00.000000Z", monday)
	open_at("2026-11-23T10:59:59.999999Z", monday)
	not open_at("2026-11-22T10:59:59.999999Z", monday)
	not open_at("2026-11-23T11:00:00.000000Z", monday)
}

test_recurring_over_midnight if {
	every night in [berlin(["sat"], "22:00", "06:00"), berlin(["sat"], "22:00", "05:59")] {
		open_at("2026-11-21T21:00:00.000000Z", night) # Saturday 22:00
		open_at("2026-11-21T23:30:00.000000Z", night) # Sunday 00:30
		open_at("2026-11-22T04:58:59.999999Z", night) # Sunday 05:58
		not open_at("2026-11-22T05:00:00.000000Z", night) # Sunday 06:00
		not open_at("2026-11-21T04:00:00.000000Z", night) # Saturday 05:00, of Friday's night
		not open_at("2026-11-22T21:00:00.000000Z", night) # Sunday 22:00
	}
}

test_recurring_each_night_ends_on_the_next_day if {
	next := {"mon": "tue", "tue": "wed", "wed": "thu", "thu": "fri", "fri": "sat", "sat": "sun", "sun": "mon"}
	every day in object.keys(next) {
		# From Sunday 2026-11-22 on, at 00:30 UTC.
		mornings := [morning |
			some n in numbers.range(0, 6)
			morning := time.add_date(time.parse_rfc3339_ns("2026-11-22T00:30:00Z"), 0, 0, n)
			open_at(time.format(morning), {"days": [day], "from": "23:00", "until": "01:00", "zone": "UTC"})
		]
		[substring(lower(time.weekday(m)), 0, 3) | some m in mornings] == [next[day]]
	}
}

test_recurring_on_all_days if {
	lunch := {"from": "12:00", "until": "13:00", "zone": "UTC"}
	every day in ["22", "23", "24", "25", "26", "27", "28"] {
		open_at(sprintf("2026-11-%sT12:30:00.000000Z", [day]), lunch)
		not open_at(sprintf("2026-11-%sT13:00:00.000000Z", [day]), lunch)
	}
}

# Clocks go back at 01:00 UTC on 2026-10-25, and forward on 2027-03-28.
test_recurring_with_summer_time if {
	sunday := berlin(["sun"], "08:00", "09:00")
	open_at("2026-10-18T06:00:00.000000Z", sunday)
	not open_at("2026-10-18T07:00:00.000000Z", sunday)
	open_at("2026-10-25T07:00:00.000000Z", sunday)
	not open_at("2026-10-25T06:59:59.999999Z", sunday)
	open_at("2027-03-28T06:00:00.000000Z", sunday)
	not open_at("2027-03-28T07:00:00.000000Z", sunday)
}

# An hour that is there twice is open twice, one that is not there never.
test_recurring_when_clocks_change if {
	hour := berlin(["sun"], "02:00", "03:00")
	open_at("2026-10-25T00:00:00.000000Z", hour)
	open_at("2026-10-25T01:59:59.999999Z", hour)
	not open_at("2026-10-25T02:00:00.000000Z", hour)
	not open_at("2027-03-28T00:59:59.999999Z", hour)
	not open_at("2027-03-28T01:00:00.000000Z", hour)
}

test_recurring_sanctions if {
	now := {"days": ["sun"], "from": "05:00", "until": "05:01", "zone": "UTC"}
	by({"windows": [now]}) == {"window"}
	by({"windows": [object.union(now, {"networks": ["192.0.2.0/24"]})]}) == set()
	by({"windows": [object.union(now, {"networks": ["10.0.0.0/8"], "note": "patch day"})]}) == {"window (patch day)"}
	by({"windows": [object.union(now, {"expires": "2026-11-21"})]}) == set()
	by({"windows": [object.union(now, {"days": []})]}) == set()
}
