package matrix

import "time"

// controlTransforms change how the first control messages, and PPP behind them, lie in
// records.
var controlTransforms = []Transform{
	{Name: "control-split", Family: "control", About: "the Call Connect Request in two records, of 4 and 10 bytes", apply: inside(cutSecond(4), nil)},
	{Name: "control-split-even", Family: "control", About: "the Call Connect Request in two records of 7 bytes", apply: inside(cutSecond(7), nil)},
	{Name: "control-bytes", Family: "control", About: "the Call Connect Request in records of one byte", apply: inside(cutSecond(count(1, 13)...), nil)},
	{Name: "ack-split", Family: "control", About: "the Call Connect Ack in two records, of 8 and 40 bytes", apply: inside(nil, cutSecond(8))},
	{Name: "both-split", Family: "control", About: "Request and Ack in two records each", apply: inside(cutSecond(6), cutSecond(20))},
	{Name: "header-apart", Family: "control", About: "the client's headers and bodies in records of their own", apply: func(s *Setup) { s.Client.Faults.SplitHeader = true }},
	{Name: "headers-apart", Family: "control", About: "both ends' headers and bodies in records of their own", apply: func(s *Setup) {
		s.Client.Faults.SplitHeader, s.Server.Faults.SplitHeader = true, true
	}},
	{Name: "head-joined", Family: "control", About: "a part of the Call Connect Request in the record of the HTTP request", apply: inside(joinHead(5), nil)},
	{Name: "early", Family: "control", About: "HTTP request, Call Connect Request and LCP in one record", apply: func(s *Setup) { s.Client.Profile.Early = true; s.Client.Profile.Coalesce = 16 << 10 }},
	{Name: "join-512", Family: "control", About: "the client holds back up to 512 bytes, 20 ms at most", apply: func(s *Setup) {
		s.Client.Faults.Join, s.Client.Faults.JoinTime = 512, 20*time.Millisecond
	}},
	{Name: "join-server", Family: "control", About: "the server holds back up to 512 bytes, 20 ms at most", apply: func(s *Setup) {
		s.Server.Faults.Join, s.Server.Faults.JoinTime = 512, 20*time.Millisecond
	}},
	{Name: "join-both", Family: "control", About: "both ends hold back up to 512 bytes, 20 ms at most", apply: func(s *Setup) {
		s.Client.Faults.Join, s.Client.Faults.JoinTime = 512, 20*time.Millisecond
		s.Server.Faults.Join, s.Server.Faults.JoinTime = 512, 20*time.Millisecond
	}},
	{Name: "reserved-bits", Family: "control", About: "the client sets all reserved bits", Servers: []string{"reference", "rras", "softether", "mikrotik"}, apply: func(s *Setup) { s.Client.Faults.Call.ReservedBits = true }},
	{Name: "reserved-both", Family: "control", About: "both ends set all reserved bits", apply: func(s *Setup) {
		s.Client.Faults.Call.ReservedBits, s.Server.Faults.Call.ReservedBits = true, true
	}},
}

// cutSecond cuts the end's second write, which follows the HTTP head, into records that
// end at these places.
func cutSecond(at ...int) wrapper {
	return editing(func(n int, b []byte, write func([]byte) error) error {
		if n != 1 {
			return write(b)
		}
		return writeAt(b, at, 0, write)
	})
}

// count is from to to.
func count(from, to int) (out []int) {
	for i := from; i <= to; i++ {
		out = append(out, i)
	}
	return out
}
