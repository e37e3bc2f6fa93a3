//go:build !linux

package mitm

const canDirect = false

type calls struct{}

func newCalls() *calls { return nil }

func (w *wire) readNow(p []byte) (int, error)   { return w.Conn.Read(p) }
func (w *wire) writeMore(p []byte) (int, error) { return w.Conn.Write(p) }
