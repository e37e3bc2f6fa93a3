package sstp_test

import data.sstp

test_cleared_is_allowed if {
	sstp.decision.action == "allow" with input as {"detection": {"verdict": "cleared"}}
}
