package matrix

import "time"

const (
	// recordsCut is for how many bytes records are cut: more than the set-up has.
	recordsCut = 4 << 10
	maxContent = 1 << 14
)

var only13 = []string{"1.3"}

// recordTransforms change the lengths of all records.
var recordTransforms = []Transform{
	{Name: "records-1", Family: "records", About: "the client's first writes in records of one byte", Anything: true, apply: inside(cuttingInside(each(1), 1500, 0), nil)},
	{Name: "records-2", Family: "records", About: "the client's first writes in records of two bytes", Anything: true, apply: inside(cuttingInside(each(2), recordsCut, 0), nil)},
	{Name: "records-16", Family: "records", About: "the client's first writes in records of 16 bytes", Anything: true, apply: inside(cuttingInside(each(16), recordsCut, 0), nil)},
	{Name: "records-100", Family: "records", About: "both ends' first writes in records of 100 bytes", Anything: true, apply: inside(cuttingInside(each(100), recordsCut, 0), cuttingInside(each(100), recordsCut, 0))},
	{Name: "records-both-5", Family: "records", About: "both ends' first writes in records of 5 bytes", Anything: true, apply: inside(cuttingInside(each(5), recordsCut, 0), cuttingInside(each(5), recordsCut, 0))},
	{Name: "records-server-10", Family: "records", About: "the server's first writes in records of 10 bytes", Anything: true, apply: inside(nil, cuttingInside(each(10), recordsCut, 0))},
	{Name: "records-random", Family: "records", About: "both ends' first writes in records of random sizes up to 40 bytes", Anything: true, apply: func(s *Setup) {
		near, far := s.stream(3), s.stream(4)
		inside(cuttingInside(func(int) int { return 1 + near.IntN(40) }, recordsCut, 0),
			cuttingInside(func(int) int { return 1 + far.IntN(40) }, recordsCut, 0))(s)
	}},
	{Name: "records-slow", Family: "records", About: "the client's first writes in records of 20 bytes, 3 ms apart", Anything: true, apply: inside(cuttingInside(each(20), 2000, 3*time.Millisecond), nil)},
	{Name: "padding-client-64", Family: "padding", About: "the client pads its records to multiples of 64 bytes", TLS: only13, Anything: true, apply: pad(true, false, multiple(64))},
	{Name: "padding-client-512", Family: "padding", About: "the client pads its records to multiples of 512 bytes", TLS: only13, Anything: true, apply: pad(true, false, multiple(512))},
	{Name: "padding-server-512", Family: "padding", About: "the server pads its records to multiples of 512 bytes", TLS: only13, Anything: true, apply: pad(false, true, multiple(512))},
	{Name: "padding-both-32", Family: "padding", About: "both ends pad their records to multiples of 32 bytes", TLS: only13, Anything: true, apply: pad(true, true, multiple(32))},
	{Name: "padding-both-512", Family: "padding", About: "both ends pad their records to multiples of 512 bytes", TLS: only13, Anything: true, apply: pad(true, true, multiple(512))},
	{Name: "padding-full", Family: "padding", About: "both ends pad all records to their full length", TLS: only13, Anything: true, apply: pad(true, true, func(int) int { return maxContent })},
	{Name: "padding-random", Family: "padding", About: "both ends pad their records by random lengths up to 255 bytes", TLS: only13, Anything: true, apply: func(s *Setup) {
		near, far := s.stream(5), s.stream(6)
		s.NearWire = append(s.NearWire, padding(s.Near, clientLabels, func(n int) int { return n + near.IntN(256) }))
		s.FarWire = append(s.FarWire, padding(s.Far, serverLabels, func(n int) int { return n + far.IntN(256) }))
	}},
}

func pad(client, server bool, length func(int) int) func(*Setup) {
	return func(s *Setup) {
		if client {
			s.NearWire = append(s.NearWire, padding(s.Near, clientLabels, length))
		}
		if server {
			s.FarWire = append(s.FarWire, padding(s.Far, serverLabels, length))
		}
	}
}

func multiple(of int) func(int) int {
	return func(n int) int { return (n + of - 1) / of * of }
}
