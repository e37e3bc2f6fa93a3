package matrix

import "time"

// segmentPause keeps pieces apart on a real path, whose ends would join them.
const segmentPause = 500 * time.Microsecond

// cutBytes is how much is cut of what would else take very long.
const cutBytes = 6 << 10

// segmentTransforms change how bytes lie in TCP segments and not what they are.
var segmentTransforms = []Transform{
	{Name: "segments-1", Family: "segments", About: "the client's first bytes in segments of one byte", Anything: true, apply: near(cutting(each(1), 1500, 0))},
	{Name: "segments-7", Family: "segments", About: "the client's first bytes in segments of 7 bytes", Anything: true, apply: near(cutting(each(7), cutBytes, 0))},
	{Name: "segments-100", Family: "segments", About: "the client's bytes in segments of 100 bytes", Anything: true, apply: near(cutting(each(100), 64<<10, 0))},
	{Name: "segments-header", Family: "segments", About: "the client's segments end within the headers of records", Anything: true, apply: near(cutting(func(before int) int {
		if before%2 == 0 {
			return 3
		}
		return 32
	}, cutBytes, 0))},
	{Name: "segments-slow", Family: "segments", About: "the client's first bytes in segments of 20 bytes, 2 ms apart", Anything: true, apply: near(cutting(each(20), 2000, 2*time.Millisecond))},
	{Name: "segments-server", Family: "segments", About: "the server's bytes in segments of 53 bytes", Anything: true, apply: func(s *Setup) {
		s.FarWire = append(s.FarWire, cutting(each(53), 16<<10, 0))
	}},
	{Name: "segments-random", Family: "segments", About: "both ends' bytes in segments of random sizes up to 200", Anything: true, apply: func(s *Setup) {
		near, far := s.stream(1), s.stream(2)
		s.NearWire = append(s.NearWire, cutting(func(int) int { return 1 + near.IntN(200) }, 32<<10, 0))
		s.FarWire = append(s.FarWire, cutting(func(int) int { return 1 + far.IntN(200) }, 32<<10, 0))
	}},
}
