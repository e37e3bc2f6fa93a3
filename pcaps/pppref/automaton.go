package pppref

// A state is a state of the option negotiation automaton (RFC 1661, Section 4.2).
type state uint8

// The states, with the numbers of the specification's table.
const (
	initial  state = iota // the lower layer is down, and nothing has asked to open
	starting              // an Open came, and the lower layer is down
	closed                // the lower layer is up, and nothing has asked to open
	stopped               // opened, but it came to an end or waits for the peer to begin
	closing               // Terminate-Request sent after a Close
	stopping              // Terminate-Request sent, or answered, without a Close
	reqSent               // Configure-Request sent; neither end has acknowledged
	ackRcvd               // the peer has acknowledged
	ackSent               // this end has acknowledged
	opened

	numStates = iota
)

// timed reports whether the Restart timer runs in s (RFC 1661, Section 4.2).
func (s state) timed() bool { return s >= closing && s <= ackSent }

// negotiating reports whether a Configure-Request is under way in s.
func (s state) negotiating() bool { return s >= reqSent && s <= ackSent }

// An event is one of RFC 1661, Section 4.3.
type event uint8

// The events, in the order of the specification's table.
const (
	onUp       event = iota // the lower layer is up
	onDown                  // the lower layer is down
	onOpen                  // administrative Open
	onClose                 // administrative Close
	onTOPlus                // timeout, more tries are left
	onTOMinus               // timeout, no try is left
	onRCRPlus               // a Configure-Request that can be acknowledged
	onRCRMinus              // a Configure-Request that cannot
	onRCA                   // a Configure-Ack
	onRCN                   // a Configure-Nak or -Reject
	onRTR                   // a Terminate-Request
	onRTA                   // a Terminate-Ack
	onRUC                   // a code that is unknown
	onRXJPlus               // a Code-Reject or Protocol-Reject that can be lived with
	onRXJMinus              // one that cannot
	onRXR                   // an Echo-Request, an Echo-Reply or a Discard-Request

	numEvents = iota
)

// An action is one of RFC 1661, Section 4.4.
type action uint8

const (
	tlu action = iota + 1 // This-Layer-Up
	tld                   // This-Layer-Down
	tls                   // This-Layer-Started
	tlf                   // This-Layer-Finished
	irc                   // Initialize-Restart-Count
	zrc                   // Zero-Restart-Count
	scr                   // Send-Configure-Request
	sca                   // Send-Configure-Ack
	scn                   // Send-Configure-Nak or -Reject
	str                   // Send-Terminate-Request
	sta                   // Send-Terminate-Ack
	scj                   // Send-Code-Reject
	ser                   // Send-Echo-Reply
)

// A transition is a cell of the table: what is done, in that order, and the state
// that follows. The zero value is a dash: the event cannot occur in the state.
type transition struct {
	valid   bool
	next    state
	actions []action
}

func to(next state, actions ...action) transition { return transition{true, next, actions} }

// transitions is the table of RFC 1661, Section 4.1. The options that its footnotes
// leave open are settled so: an Open does not restart what is open [r], a timeout
// ends the negotiation [p], and a second answer to one request never gets here [x].
var transitions = [numEvents][numStates]transition{
	onUp: {initial: to(closed), starting: to(reqSent, irc, scr)},
	onDown: {
		closed: to(initial), stopped: to(starting, tls), closing: to(initial), stopping: to(starting),
		reqSent: to(starting), ackRcvd: to(starting), ackSent: to(starting), opened: to(starting, tld),
	},
	onOpen: {
		initial: to(starting, tls), starting: to(starting), closed: to(reqSent, irc, scr), stopped: to(stopped),
		closing: to(stopping), stopping: to(stopping),
		reqSent: to(reqSent), ackRcvd: to(ackRcvd), ackSent: to(ackSent), opened: to(opened),
	},
	onClose: {
		initial: to(initial), starting: to(initial, tlf), closed: to(closed), stopped: to(closed),
		closing: to(closing), stopping: to(closing),
		reqSent: to(closing, irc, str), ackRcvd: to(closing, irc, str), ackSent: to(closing, irc, str),
		opened: to(closing, tld, irc, str),
	},
	onTOPlus: {
		closing: to(closing, str), stopping: to(stopping, str),
		reqSent: to(reqSent, scr), ackRcvd: to(reqSent, scr), ackSent: to(ackSent, scr),
	},
	onTOMinus: {
		closing: to(closed, tlf), stopping: to(stopped, tlf),
		reqSent: to(stopped, tlf), ackRcvd: to(stopped, tlf), ackSent: to(stopped, tlf),
	},
	onRCRPlus: {
		closed: to(closed, sta), stopped: to(ackSent, irc, scr, sca), closing: to(closing), stopping: to(stopping),
		reqSent: to(ackSent, sca), ackRcvd: to(opened, sca, tlu), ackSent: to(ackSent, sca),
		opened: to(ackSent, tld, scr, sca),
	},
	onRCRMinus: {
		closed: to(closed, sta), stopped: to(reqSent, irc, scr, scn), closing: to(closing), stopping: to(stopping),
		reqSent: to(reqSent, scn), ackRcvd: to(ackRcvd, scn), ackSent: to(reqSent, scn),
		opened: to(reqSent, tld, scr, scn),
	},
	onRCA: {
		closed: to(closed, sta), stopped: to(stopped, sta), closing: to(closing), stopping: to(stopping),
		reqSent: to(ackRcvd, irc), ackRcvd: to(reqSent, scr), ackSent: to(opened, irc, tlu),
		opened: to(reqSent, tld, scr),
	},
	onRCN: {
		closed: to(closed, sta), stopped: to(stopped, sta), closing: to(closing), stopping: to(stopping),
		reqSent: to(reqSent, irc, scr), ackRcvd: to(reqSent, scr), ackSent: to(ackSent, irc, scr),
		opened: to(reqSent, tld, scr),
	},
	onRTR: {
		closed: to(closed, sta), stopped: to(stopped, sta), closing: to(closing, sta), stopping: to(stopping, sta),
		reqSent: to(reqSent, sta), ackRcvd: to(reqSent, sta), ackSent: to(reqSent, sta),
		opened: to(stopping, tld, zrc, sta),
	},
	onRTA: {
		closed: to(closed), stopped: to(stopped), closing: to(closed, tlf), stopping: to(stopped, tlf),
		reqSent: to(reqSent), ackRcvd: to(reqSent), ackSent: to(ackSent), opened: to(reqSent, tld, scr),
	},
	onRUC: {
		closed: to(closed, scj), stopped: to(stopped, scj), closing: to(closing, scj), stopping: to(stopping, scj),
		reqSent: to(reqSent, scj), ackRcvd: to(ackRcvd, scj), ackSent: to(ackSent, scj), opened: to(opened, scj),
	},
	onRXJPlus: {
		closed: to(closed), stopped: to(stopped), closing: to(closing), stopping: to(stopping),
		reqSent: to(reqSent), ackRcvd: to(reqSent), ackSent: to(ackSent), opened: to(opened),
	},
	onRXJMinus: {
		closed: to(closed, tlf), stopped: to(stopped, tlf), closing: to(closed, tlf), stopping: to(stopped, tlf),
		reqSent: to(stopped, tlf), ackRcvd: to(stopped, tlf), ackSent: to(stopped, tlf),
		opened: to(stopping, tld, irc, str),
	},
	onRXR: {
		closed: to(closed), stopped: to(stopped), closing: to(closing), stopping: to(stopping),
		reqSent: to(reqSent), ackRcvd: to(ackRcvd), ackSent: to(ackSent), opened: to(opened, ser),
	},
}
