package record

// ResetConn is what TCP connections are recorded as.
type ResetConn = resetConn

// The limits.
const (
	HoldTime  = holdTime
	HoldBytes = holdBytes
	HardLimit = hardLimit
	Patience  = patience
)

// NewCaptureBy begins a capture with another clock.
var NewCaptureBy = newCapture

// SetBudget says how many bytes of secrets the file may still have.
func (c *Capture) SetBudget(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.budget = n
}
