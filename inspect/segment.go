package inspect

import "time"

// A Segment is a piece of one direction of a connection, in order.
type Segment struct {
	Direction Direction
	// Time is when it was captured: a Flow reads no clock.
	Time time.Time
	// Data is valid only during the call that receives it.
	Data []byte
	// Missing is the number of bytes lost just before Data.
	Missing int
}
