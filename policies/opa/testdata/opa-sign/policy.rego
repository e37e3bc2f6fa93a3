package sstp

decision := {"action": "allow", "rule": "own.rule", "reason": data.own.reason} if {
	input.detection.verdict == "cleared"
}
