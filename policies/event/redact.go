package event

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	stdhash "hash"
	"net/netip"
	"reflect"
	"slices"
	"strings"
)

// A RedactMode says what becomes of what names a person or a host.
type RedactMode uint8

// The modes.
const (
	RedactKeep   RedactMode = iota // it stays
	RedactHash                     // a pseudonym takes its place
	RedactRemove                   // it goes
)

// RedactOptions say what is redacted. The zero value keeps everything.
type RedactOptions struct {
	// Users are the names of users, and of computers that call themselves so
	// in PPP.
	Users RedactMode
	// Addresses are IP addresses, and the identifiers of a connection that
	// its addresses can be found from.
	Addresses RedactMode
}

// A Redactor takes out of events who was connected with whom, and leaves what
// happened. It is safe for concurrent use.
//
// With [RedactHash] the same key gives the same pseudonym for the same thing,
// in every event, and nobody without the key can tell what it stands for. A user
// becomes "user-" and 12 hexadecimal digits, in whatever case the name was
// written. An address becomes one of the unique local addresses of IPv6 (RFC
// 4193), which mean nothing outside of a site:
//
//	fd04::/16   for IPv4, the rest being 112 bits of HMAC-SHA256
//	fd06::/16   for IPv6
//
// Loopback and unspecified addresses stay. The flow and community identifiers
// are replaced too: addresses can be found from those by trying.
//
// With [RedactRemove] users and addresses are left out; where there must be an
// address it is the unspecified one, and within texts stands "xxxxx".
//
// Users and addresses are also replaced within texts, of an error or a
// certificate for example: every address that is written there as such, and the
// event's users, with and without their domain, in any case and even as part of
// a word. Names of users with less than three characters must be words by
// themselves.
//
// Names of servers and files, certificates, times, ports and sizes stay. Who has
// other records of the same connections can still find them by those.
type Redactor struct {
	key  []byte
	opts RedactOptions
}

// NewRedactor makes a Redactor. The key should be random and have 16 bytes or
// more; an empty one stands for a random key that nobody learns.
func NewRedactor(key []byte, o RedactOptions) *Redactor {
	if len(key) == 0 {
		key = make([]byte, sha256.Size)
		_, _ = rand.Read(key) // it never fails
	}
	return &Redactor{key: slices.Clone(key), opts: o}
}

// Event gives a redacted copy of e. It shares with e what is not redacted.
func (r *Redactor) Event(e *Event) Event { return r.redact(e, false).Event }

// A Redaction is a redacted event, and how it became so. It is not safe for
// concurrent use.
type Redaction struct {
	Event Event
	// Masked are the fields that were replaced, Erased those that were left
	// out, as JSON Pointers: "/src_ip".
	Masked, Erased []string

	replacer *replacer
}

// Text gives s, which belongs to the event, without its users and addresses.
func (x *Redaction) Text(s string) string { return x.replacer.replace(s) }

// Redact redacts a copy of e as [Redactor.Event] does, and tells what it did.
func (r *Redactor) Redact(e *Event) Redaction { return r.redact(e, true) }

func (r *Redactor) redact(e *Event, tell bool) Redaction {
	x := Redaction{Event: *e, replacer: &replacer{}}
	if r.opts == (RedactOptions{}) {
		return x
	}
	w := r.newWalk(tell)
	x.replacer = &w.replacer
	root := reflect.ValueOf(&x.Event).Elem()
	if r.opts.Addresses != RedactKeep {
		w.findAddresses(root, eventPlan)
	}
	if r.opts.Users != RedactKeep {
		w.findUsers(e)
	}
	w.prepare()
	w.redact(root, eventPlan)
	if r.opts.Addresses != RedactKeep {
		x.Event.FlowID = w.flowID(e.FlowID)
		x.Event.CommunityID = w.communityID(e.CommunityID)
		w.did("flow_id", false)
		w.did("community_id", false)
	}
	x.Masked, x.Erased = w.masked, w.erased
	return x
}

// Summary gives a redacted copy of s. It shares with s what is not redacted.
// Users stand in no fields of a summary, so none are found in its texts.
func (r *Redactor) Summary(s *Summary) Summary {
	out := *s
	if r.opts.Addresses == RedactKeep {
		return out
	}
	w := r.newWalk(false)
	root := reflect.ValueOf(&out).Elem()
	w.findAddresses(root, summaryPlan)
	w.prepare()
	w.redact(root, summaryPlan)
	return out
}

// Address gives what stands for an address in events.
func (r *Redactor) Address(a netip.Addr) netip.Addr {
	if r.opts.Addresses == RedactKeep {
		return a
	}
	return r.newPseudonyms().address(a)
}

// pseudonyms makes them. It is for one goroutine.
type pseudonyms struct {
	opts RedactOptions
	mac  stdhash.Hash
	sum  [sha256.Size]byte
}

func (r *Redactor) newPseudonyms() *pseudonyms {
	return &pseudonyms{opts: r.opts, mac: hmac.New(sha256.New, r.key)}
}

// of gives the pseudonym of something of a kind, valid until the next.
func (p *pseudonyms) of(kind string, b []byte) []byte {
	p.mac.Reset()
	p.mac.Write([]byte(kind))
	p.mac.Write(b)
	return p.mac.Sum(p.sum[:0])
}

// stays says that an address names no host.
func stays(a netip.Addr) bool {
	a = a.Unmap()
	return !a.IsValid() || a.IsLoopback() || a.IsUnspecified()
}

func (p *pseudonyms) address(a netip.Addr) netip.Addr {
	a = plain(a)
	switch {
	case stays(a):
		return a
	case p.opts.Addresses == RedactRemove && a.Is4():
		return netip.IPv4Unspecified()
	case p.opts.Addresses == RedactRemove:
		return netip.IPv6Unspecified()
	}
	was := a.As16()
	var out [16]byte
	copy(out[2:], p.of("address", was[:]))
	out[0], out[1] = 0xfd, 0x06
	if a.Is4() {
		out[1] = 0x04
	}
	return netip.AddrFrom16(out)
}

// removed stands in texts for what was removed.
const removed = "xxxxx"

func (p *pseudonyms) user(name string) string {
	if p.opts.Users == RedactRemove {
		return removed
	}
	return "user-" + hex.EncodeToString(p.of("user", []byte(strings.ToLower(name)))[:6])
}

func (p *pseudonyms) flowID(id uint64) uint64 {
	was := binary.BigEndian.AppendUint64(nil, id)
	return binary.BigEndian.Uint64(p.of("flow", was)) >> (64 - flowIDBits)
}

// communityID keeps the form: a version, and a digest of 20 bytes.
func (p *pseudonyms) communityID(id string) string {
	return "1:" + base64.StdEncoding.EncodeToString(p.of("community", []byte(id))[:20])
}
