package proxy

import (
	"net"
	"sync"
	"time"

	"sstpwarden/proxy/mitm"
)

// words are what one side of opened TLS said before anything of it was passed on,
// and why there will be no more.
type words struct {
	b   []byte
	err error
}

// firstWords waits until one side says something, or ends. Of who was silent it
// gives nothing.
func firstWords(client, server *mitm.Conn) (ofClient, ofServer words) {
	var back sync.WaitGroup
	back.Go(func() { ofServer = listen(server, client, 1<<10) })
	ofClient = listen(client, server, 4<<10)
	back.Wait()
	for _, conn := range []net.Conn{client, server} {
		_ = conn.SetReadDeadline(time.Time{})
	}
	return ofClient, ofServer
}

// listen reads from a side at most n bytes, and interrupts who listens to the
// other. TLS goes on where reading was interrupted.
func listen(to, other *mitm.Conn, n int) words {
	b := make([]byte, n)
	n, err := to.Read(b)
	_ = other.SetReadDeadline(past)
	if isPast(err) {
		err = nil
	}
	return words{b[:n], err}
}
