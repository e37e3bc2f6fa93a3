package matrix

import "time"

// Options say how cells are run. The zero value of a field is as its comment says.
type Options struct {
	// Parallel is how many cells run at once, 0 for one a processor.
	Parallel int
	// Timeout bounds a cell, 0 for the grid's.
	Timeout time.Duration
	// Dir is where captures are written, "" for nowhere: then they are only judged.
	Dir string
	// Sstpwarden is the program that enforces, "" to look for it.
	Sstpwarden string
	// Engines judge captures too.
	Engines []Engine
	// Device is what path dut leads through, nil for nothing.
	Device *Device
	// Done, if set, is called with each result, one at a time, in no order.
	Done func(*CellResult)
}
