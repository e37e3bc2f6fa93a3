package main

import (
	"bytes"
	"time"
)

// A conversation is what two ends of a TCP connection say to each other,
// without the packets it went in. Many flows share one: its bytes are only read.
type conversation struct {
	turns []turn
}

// A turn is what one end says before the other speaks, or before it pauses.
type turn struct {
	client bool
	wait   time.Duration // of silence before it, network delay not counted
	data   []byte
}

// size is the bytes of both directions.
func (c *conversation) size() int {
	n := 0
	for _, t := range c.turns {
		n += len(t.data)
	}
	return n
}

// stream is all that one end said.
func (c *conversation) stream(client bool) []byte {
	var b bytes.Buffer
	for _, t := range c.turns {
		if t.client == client {
			b.Write(t.data)
		}
	}
	return b.Bytes()
}

// say adds data to the conversation. It continues the turn before if the same
// end spoke last and did not pause.
func (c *conversation) say(client bool, wait time.Duration, data []byte) {
	if n := len(c.turns); n > 0 && wait == 0 && c.turns[n-1].client == client {
		c.turns[n-1].data = append(c.turns[n-1].data, data...)
		return
	}
	c.turns = append(c.turns, turn{client: client, wait: wait, data: bytes.Clone(data)})
}

// A step of a script: one end writes so many bytes after so long.
type step struct {
	client bool
	wait   time.Duration
	size   int
}
