package tlskeys

import (
	"errors"
	"fmt"

	"sstpwarden/inspect/tlswire"
)

var (
	// ErrNoSecrets says that a direction of the connection cannot be opened.
	// It stays so. [Opener.Reason] says why.
	ErrNoSecrets = errors.New("tlskeys: no secrets that open this connection")

	// ErrLost is the cause of a [*RecordError] for a record that was not
	// captured whole.
	ErrLost = errors.New("record was not captured whole")

	errNotAuthentic = errors.New("record does not authenticate: records before it were lost, or the secrets are not its own")
	errNoIV         = errors.New("record's IV was lost with the record before")
	errTooLarge     = errors.New("record is longer than a record can be")
	errNoContent    = errors.New("record has no content type")
	errNotHandshake = errors.New("record holds no handshake messages: it is encrypted, and what comes before it was lost")
)

// A RecordError is a record that cannot be opened. Those after it may be.
type RecordError struct {
	FromClient bool
	Type       tlswire.ContentType // the outer one
	Sequence   uint64              // the number it should have had, counted from the last change of keys
	Err        error
}

func (e *RecordError) Error() string {
	side := "server"
	if e.FromClient {
		side = "client"
	}
	return fmt.Sprintf("tlskeys: %s's %v record %d: %v", side, e.Type, e.Sequence, e.Err)
}

func (e *RecordError) Unwrap() error { return e.Err }

// An Opener opens the records of one connection. It is made by
// [Keys.NewOpener] and is not safe for concurrent use.
type Opener struct {
	keys           *Keys
	handshake      handshake
	randoms        [][32]byte // of the handshakes so far, at most maxHandshakes
	client, server half
	opened         bool
	reason         string // of the first direction that failed
	trouble        error  // of the first record that failed
}

// A half is one direction of a connection.
type half struct {
	client   bool
	begun    bool // its first hello was seen, or its beginning
	sealed   bool // every record is encrypted: up to TLS 1.2, after change_cipher_spec
	failed   bool // nothing more can be opened
	messages tlswire.Handshake

	seq    uint64 // of the next record, counted from the last change of keys
	missed int    // records since the last one that was opened
	search int    // bytes that may still be spent on finding sequence numbers
	buf    []byte // what was opened last

	protection protection // up to TLS 1.2

	generation *generation   // TLS 1.3; nil until a record was opened
	following  []*generation // TLS 1.3: what may come next, as far as it was needed
}

const (
	// searchWindow is how many sequence numbers are tried for a record, from
	// the next one on; as many behind it after records that did not open.
	searchWindow = 256
	// searchBytes bounds what is spent on a record, and on several in a row
	// that cannot be opened: two generations of keys with all of the window
	// on the longest record. It is a matter of milliseconds.
	searchBytes = 2 * searchWindow << 14
)

// NewOpener returns what opens one connection.
func (k *Keys) NewOpener() *Opener {
	return &Opener{
		keys:   k,
		client: half{client: true, search: searchBytes},
		server: half{search: searchBytes},
	}
}

// Open takes the next record of the connection, in the order of capture, and
// returns what it holds: the type and the content. It wants all records, from
// the ClientHello on, with their fragments; damaged ones have none.
//
// A record that is not encrypted holds its own fragment. Otherwise plain is
// valid until the next call for the same direction; the fragment is left as it
// is. The content of TLS 1.3 has its real type, and no padding. It may be
// empty.
//
// The error is [ErrNoSecrets] where this direction stays closed, or a
// [*RecordError] where it is only this record.
func (o *Opener) Open(fromClient bool, r tlswire.Record) (typ tlswire.ContentType, plain []byte, err error) {
	h := o.half(fromClient)
	if r.Resynced {
		h.messages.Lose()
		o.handshake.lose()
		h.search = searchBytes
	}
	if r.Damaged || r.Fragment == nil && r.Length > 0 {
		return r.Type, nil, o.lose(h, r)
	}
	typ, plain = r.Type, r.Fragment
	inClear := !h.sealed && r.Type != tlswire.ContentApplicationData
	if inClear {
		err = o.checkClear(h, r)
	} else {
		typ, plain, err = o.openSealed(h, r)
	}
	if err != nil {
		return r.Type, nil, err
	}
	o.follow(h, typ, plain)
	if h.messages.Broken() {
		h.messages = tlswire.Handshake{} // after a loss; the next record may begin a message
		if inClear {
			h.sealed = o.handshake.isTLS12()
			return r.Type, nil, o.recordError(h, r, errNotHandshake)
		}
	}
	return typ, plain, nil
}

// Opened reports whether an encrypted record was opened.
func (o *Opener) Opened() bool { return o.opened }

// Reason says, for people, why something could not be opened: the first cause
// of an [ErrNoSecrets], or, as long as not one encrypted record was opened, of
// a [*RecordError]. It is "" while there is none.
func (o *Opener) Reason() string {
	if o.reason == "" && !o.opened && o.trouble != nil {
		return o.trouble.Error()
	}
	return o.reason
}

func (o *Opener) half(client bool) *half {
	if client {
		return &o.client
	}
	return &o.server
}

// fail gives a direction up.
func (o *Opener) fail(h *half, reason string) error {
	h.failed = true
	h.protection, h.generation, h.following, h.buf = nil, nil, nil, nil
	if o.reason == "" {
		o.reason = reason
	}
	return ErrNoSecrets
}

// recordError gives one record up.
func (o *Opener) recordError(h *half, r tlswire.Record, err error) error {
	if o.trouble == nil && !errors.Is(err, ErrLost) {
		o.trouble = err
	}
	e := &RecordError{FromClient: h.client, Type: r.Type, Sequence: h.seq, Err: err}
	h.seq++
	h.missed++
	return e
}

// lose steps over a record that was not captured whole.
func (o *Opener) lose(h *half, r tlswire.Record) error {
	h.messages.Lose()
	o.handshake.lose()
	if h.protection != nil {
		h.protection.lose(r.Length)
	}
	return o.recordError(h, r, ErrLost)
}

// checkClear tells a record in clear from an encrypted one in a connection
// whose beginning is missing.
func (o *Opener) checkClear(h *half, r tlswire.Record) error {
	if h.failed {
		return ErrNoSecrets
	}
	if r.Type != tlswire.ContentHandshake {
		if !o.client.begun && !o.server.begun {
			return o.fail(h, noHandshake)
		}
		return nil
	}
	if !h.begun && !beginsHello(h, r.Fragment) {
		return o.fail(h, o.handshake.uncaptured())
	}
	h.begun = true
	return nil
}

// beginsHello reports whether a handshake record can be the first one of its
// direction.
func beginsHello(h *half, fragment []byte) bool {
	if len(fragment) == 0 {
		return false
	}
	t := tlswire.HandshakeType(fragment[0])
	if h.client {
		return t == tlswire.HandshakeClientHello
	}
	return t == tlswire.HandshakeServerHello || t == tlswire.HandshakeHelloRequest
}

// openSealed opens an encrypted record.
func (o *Opener) openSealed(h *half, r tlswire.Record) (tlswire.ContentType, []byte, error) {
	hs := &o.handshake
	switch {
	case h.failed:
		return 0, nil, ErrNoSecrets
	case hs.client == nil:
		return 0, nil, o.fail(h, hs.uncaptured())
	case len(r.Fragment) > tlswire.MaxFragmentLen:
		return 0, nil, o.recordError(h, r, errTooLarge)
	case h.protection == nil && hs.isTLS13():
		return o.openTLS13(h, r)
	}
	return o.openTLS12(h, r)
}

// openTLS12 opens an encrypted record of TLS 1.0 to 1.2.
func (o *Opener) openTLS12(h *half, r tlswire.Record) (tlswire.ContentType, []byte, error) {
	if h.protection == nil {
		// The change_cipher_spec record was lost.
		if err := o.changeCipher(h); err != nil {
			return 0, nil, err
		}
	}
	n := h.numbers(r)
	plain, used, err := h.protection.open(h.buffer(r), r, n)
	if err != nil {
		h.messages.Lose()
		if errors.Is(err, errNoIV) {
			h.seq = used
		} else {
			h.spend(r, n.len())
		}
		return 0, nil, o.recordError(h, r, err)
	}
	o.succeed(h, used)
	return r.Type, plain, nil
}

// changeCipher begins to open a direction with the keys of the last handshake.
func (o *Opener) changeCipher(h *half) error {
	h.sealed = true
	p, reason := o.handshake.protection(o.keys, h.client)
	if p == nil {
		return o.fail(h, reason)
	}
	h.protection, h.seq, h.missed = p, 0, 0
	return nil
}

// succeed notes that a record was opened with a sequence number.
func (o *Opener) succeed(h *half, used uint64) {
	if used != h.seq {
		h.messages.Lose()
	}
	h.seq, h.missed = used+1, 0
	h.search = searchBytes
	o.opened = true
}

// numbers returns the sequence numbers that are tried for a record.
func (h *half) numbers(r tlswire.Record) numbers {
	affordable := h.search / recordCost(r)
	n := numbers{next: h.seq, ahead: min(max(affordable, 1), searchWindow)}
	n.behind = min(h.missed, max(affordable-n.ahead, 0), searchWindow)
	return n
}

// spend notes that so many were tried in vain.
func (h *half) spend(r tlswire.Record, tries int) {
	h.search -= min(h.search, tries*recordCost(r))
}

// recordCost is what trying to open a record costs, in bytes; even one without
// content costs something.
func recordCost(r tlswire.Record) int { return len(r.Fragment) + 64 }

// buffer returns a buffer for a record's content.
func (h *half) buffer(r tlswire.Record) []byte {
	if n := len(r.Fragment); cap(h.buf) < n {
		h.buf = make([]byte, max(n, 2048))
	}
	return h.buf[:len(r.Fragment)]
}
