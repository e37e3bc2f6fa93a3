package record

import "net"

type closeWriter interface{ CloseWrite() error }

type lingerer interface{ SetLinger(sec int) error }

// like gives the conn the methods that inner has.
func (k *conn) like(inner net.Conn) net.Conn {
	half, ok := inner.(closeWriter)
	if !ok {
		return k
	}
	if reset, ok := inner.(lingerer); ok {
		return &resetConn{halfConn{k, half}, reset}
	}
	return &halfConn{k, half}
}

// A halfConn can close one direction alone.
type halfConn struct {
	*conn
	inner closeWriter
}

// CloseWrite sends FIN. Reading goes on.
func (h *halfConn) CloseWrite() error {
	at := h.capture.time()
	h.capture.mu.Lock()
	h.settle(len(h.pending))
	h.finish(h.local, at) // now: the peer may answer before CloseWrite returns
	h.capture.mu.Unlock()
	return h.inner.CloseWrite()
}

// A resetConn can end with a reset too.
type resetConn struct {
	halfConn
	inner lingerer
}

// SetLinger says what Close does with what is not sent yet; 0 makes it a reset.
func (r *resetConn) SetLinger(sec int) error {
	err := r.inner.SetLinger(sec)
	if err == nil {
		r.capture.mu.Lock()
		r.abrupt = sec == 0
		r.capture.mu.Unlock()
	}
	return err
}
