package call

import "sstpwarden/inspect/sstp"

// An EventKind tells events apart.
type EventKind uint8

// The kinds of events, and the fields of [Event] that they come with.
const (
	EventState     EventKind = iota + 1 // From, To, Cause: CurrentState has changed
	EventStartPPP                       // the lower link is up: start PPP (MS-SSTP 3.1.7.1)
	EventConnected                      // PPP data may pass
	EventRefused                        // StatusInfo: a Call Connect Nak was sent, or received
	EventEnding                         // Err: the call has begun to end, and PPP no longer passes
	EventClosed                         // Err: close the connection now; the last event
)

// An Event is something that happened to a call.
//
// Events and packets are told of in the order in which they came about, before
// the method returns that they came of. Callbacks may call the call's methods;
// what follows from that is told of after the rest.
type Event struct {
	Kind     EventKind
	From, To State
	// Cause says for people what made the state change: "received call_abort",
	// "hello timer expired", "asked to disconnect".
	Cause      string
	StatusInfo []sstp.StatusInfo // at least one
	Err        *Error            // why the call ends
}

// An output is a packet or an event that a callback is to get.
type output struct {
	message sstp.MessageType // 0 for an event
	packet  sstp.Packet
	event   Event
}

func (c *Call) emit(e Event) { c.out = append(c.out, output{event: e}) }

// flush hands out what has come up. Nothing is sent on a call that is closed.
func (c *Call) flush() {
	if c.flushing {
		return
	}
	c.flushing = true
	for i := 0; i < len(c.out); i++ { // it may grow
		switch o := c.out[i]; {
		case o.message == 0:
			c.cfg.Event(o.event)
		case !c.isClosed:
			c.cfg.Send(o.message, o.packet)
		}
	}
	clear(c.out)
	c.out = c.out[:0]
	c.flushing = false
}

// enter changes CurrentState.
func (c *Call) enter(to State, cause string) {
	from := c.State()
	c.state.Store(uint32(to))
	c.emit(Event{Kind: EventState, From: from, To: to, Cause: cause})
}
