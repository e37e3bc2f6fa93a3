package main

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"time"
)

// recordTLS runs a client and a server of crypto/tls against each other in
// memory, has them exchange what the script says, and returns what went over
// the wire.
//
// The two ends never run at the same time: the server is a coroutine that goes
// on when the client has nothing left to read. So the order of writes, and with
// it the recording, is the same every time.
func recordTLS(client, server *tls.Config, script []step) (*conversation, error) {
	rec := &conversation{}
	var toServer, toClient bytes.Buffer

	var serverErr error
	resume, stop := iter.Pull(func(yield func(struct{}) bool) {
		conn := tls.Server(&end{
			rec: rec, in: &toServer, out: &toClient,
			await: func() bool { return yield(struct{}{}) },
		}, server)
		serverErr = perform(conn, script, false)
	})
	defer stop()

	conn := tls.Client(&end{
		rec: rec, client: true, in: &toClient, out: &toServer,
		await: func() bool { _, ok := resume(); return ok },
	}, client)
	if err := perform(conn, script, true); err != nil {
		stop()
		return nil, fmt.Errorf("client: %w", errors.Join(err, serverErr))
	}
	stop()
	if serverErr != nil {
		return nil, fmt.Errorf("server: %w", serverErr)
	}
	return rec, nil
}

// perform is one end's part of the script, closing included.
func perform(conn *tls.Conn, script []step, client bool) error {
	wire := conn.NetConn().(*end)
	if err := conn.Handshake(); err != nil {
		return err
	}
	for _, s := range script {
		var err error
		if s.client == client {
			wire.pause = s.wait
			_, err = conn.Write(make([]byte, s.size))
		} else {
			_, err = io.CopyN(io.Discard, conn, int64(s.size))
		}
		if err != nil {
			return err
		}
	}
	if !client {
		// The client closes first; its alert is the end of the stream.
		if _, err := io.Copy(io.Discard, conn); err != nil {
			return err
		}
	}
	return conn.Close()
}

// end is one end of the connection in memory. Writes are recorded and never
// block; a read that finds nothing lets the other end run.
type end struct {
	rec     *conversation
	client  bool
	pause   time.Duration // before the next write
	in, out *bytes.Buffer
	await   func() bool // false: the other end is done
}

func (e *end) Read(b []byte) (int, error) {
	for e.in.Len() == 0 {
		if !e.await() && e.in.Len() == 0 {
			return 0, io.EOF
		}
	}
	return e.in.Read(b)
}

func (e *end) Write(b []byte) (int, error) {
	e.rec.say(e.client, e.pause, b)
	e.pause = 0
	return e.out.Write(b)
}

func (e *end) Close() error                     { return nil }
func (e *end) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (e *end) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (e *end) SetDeadline(time.Time) error      { return nil }
func (e *end) SetReadDeadline(time.Time) error  { return nil }
func (e *end) SetWriteDeadline(time.Time) error { return nil }
