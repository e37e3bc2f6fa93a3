package sstp_test

import data.sstp

plain_drop := {"action": "drop", "rule": "some.rule", "reason": "Because."}

dropped(enforcement, dry_run) := decision if {
	decision := sstp.drop("some.rule", "Because.") with data.enforcement as enforcement with data.dry_run as dry_run
}

test_drop if {
	dropped({}, []) == plain_drop
	dropped(null, null) == plain_drop
}

test_drop_with_enforcement if {
	dropped({"reset": true}, []) == object.union(plain_drop, {"reset": true})
	dropped({"reset": false, "ban": "10m"}, []) == object.union(plain_drop, {"reset": false, "ban": "10m"})
}

# Enforcement says how, not what.
test_drop_stays_one if {
	dropped({"action": "allow", "rule": "none", "reason": "?"}, []) == plain_drop
}

test_drop_in_dry_run if {
	dropped({}, ["other.rule", "some.rule"]) == object.union(plain_drop, {"dry_run": true})
	dropped({"ban": "1h"}, ["some.rule"]) == object.union(plain_drop, {"ban": "1h", "dry_run": true})
	dropped({}, ["other.rule", "some"]) == plain_drop
}
