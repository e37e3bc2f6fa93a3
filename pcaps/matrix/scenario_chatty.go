package matrix

import (
	"context"
	"io"
	"net"
	"time"
)

// A turn is bytes that one end says and the other takes.
type turn struct {
	client bool
	size   int
	after  time.Duration
}

func up(size int) turn   { return turn{client: true, size: size} }
func down(size int) turn { return turn{client: false, size: size} }

func repeated(times int, turns ...turn) (out []turn) {
	for range times {
		out = append(out, turns...)
	}
	return out
}

// spoken is a scenario of turns, each a write of its own.
func spoken(name, about string, turns []turn) Scenario {
	side := func(client bool) func(net.Conn) error {
		return func(c net.Conn) error {
			for _, t := range turns {
				if t.client != client {
					if _, err := io.CopyN(io.Discard, c, int64(t.size)); err != nil {
						return err
					}
					continue
				}
				time.Sleep(t.after)
				if _, err := c.Write(make([]byte, t.size)); err != nil {
					return err
				}
			}
			return nil
		}
	}
	return Scenario{
		Name: name, About: about, server: side(false),
		client: func(_ context.Context, c net.Conn) error { return side(true)(c) },
	}
}

// chattyScenarios are protocols of small messages, some of SSTP's sizes.
var chattyScenarios = []Scenario{
	spoken("chatty-14-48", "14 bytes up and 48 down, again and again, without HTTP", repeated(60, up(14), down(48))),
	spoken("chatty-48-14", "48 bytes up and 14 down, again and again", repeated(60, up(48), down(14))),
	spoken("chatty-login", "a login of 180 bytes answered with 900, then 14 up and 48 down", append([]turn{up(180), down(900)}, repeated(40, up(14), down(48))...)),
	spoken("chatty-rpc", "calls of 40 to 400 bytes and answers of 30 to 700", append(repeated(12, up(64), down(120), up(380), down(30)), repeated(12, up(41), down(700))...)),
	spoken("chatty-shell", "keys of one byte that are echoed, and lines of output", append([]turn{up(900), down(1100), up(64), down(64)}, repeated(50, up(37), down(37), down(90))...)),
	spoken("mqtt", "a connection message of 40 bytes, acknowledged by 4, then telemetry", append([]turn{up(40), down(4), up(24), down(5)}, repeated(40, up(62), down(4))...)),
	spoken("imap", "a server that speaks first, short commands and long answers", append([]turn{down(110), up(28), down(70), up(16), down(220)}, repeated(8, up(32), down(3200), up(14), down(48))...)),
	spoken("heartbeat", "8 bytes each way, each 50 ms", append([]turn{up(120), down(60)}, repeated(30, turn{client: true, size: 8, after: 50 * time.Millisecond}, down(8))...)),
	spoken("database", "queries of 60 to 200 bytes and answers of 80 to 2,000", append([]turn{up(8), down(1), up(90), down(13), up(40), down(330)}, repeated(25, up(60), down(80), up(200), down(2000))...)),
	spoken("socks-in-tls", "a SOCKS request in TLS, then another TLS handshake in it", append([]turn{up(3), down(2), up(22), down(10), up(517), down(1460), down(1460), down(900), up(64), down(255)}, repeated(20, up(250), down(1400))...)),
}
