package bypass

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode"
)

// Kind is where an entry comes from.
type Kind string

// The kinds.
const (
	Configured Kind = "configured" // the configuration; exchanged as a whole when that is loaded again
	Added      Kind = "added"      // an administrator, while the proxy runs
	Rejected   Kind = "rejected"   // learned: a client rejected the certificate
	Tunnel     Kind = "tunnel"     // learned: a tunnel inside opened TLS that was allowed
)

// Kinds are all of them, in the order in which they are looked through.
func Kinds() []Kind { return []Kind{Configured, Added, Tunnel, Rejected} }

// ParseKind gives the kind of that name.
func ParseKind(s string) (Kind, error) {
	if k := Kind(s); slices.Contains(Kinds(), k) {
		return k, nil
	}
	return "", fmt.Errorf("%q is no kind of entry: want configured, added, tunnel or rejected", s)
}

// learned says that the kind comes from what clients do.
func (k Kind) learned() bool { return k == Rejected || k == Tunnel }

// An Entry exempts connections from being opened. All fields from Name to Revision
// that are not zero have to agree with the connection, except for the Name of a
// tunnel.
type Entry struct {
	// ID is made of the fields from Kind to Revision, and the same whenever they
	// are.
	ID   string `json:"id"`
	Kind Kind   `json:"kind"`
	// Name is a server's name in lower case: vpn.example.org, *.example.org for
	// all below it, or .example.org for both. With a tunnel it only tells what
	// the client asked for.
	Name    string       `json:"name,omitempty"`
	Address netip.Prefix `json:"address,omitzero"` // of the server
	Port    uint16       `json:"port,omitempty"`   // of the server
	Client  netip.Prefix `json:"client,omitzero"`
	User    string       `json:"user,omitempty"`
	// Revision is that of the policy which allowed a tunnel: another may not.
	Revision string    `json:"revision,omitempty"`
	Reason   string    `json:"reason,omitempty"` // for people
	Created  time.Time `json:"created,omitzero"`
	Expires  time.Time `json:"expires,omitzero"` // zero for never
	Used     time.Time `json:"used,omitzero"`    // the last time
	Uses     uint64    `json:"uses"`
}

// A Query is a connection that might be opened. What is not known of it is zero, and
// agrees with no entry that names it.
type Query struct {
	Name     string         // of the server, as the client asked for it
	Server   netip.AddrPort // where the connection goes
	Client   netip.Addr
	User     string
	Revision string // of the policy in force
}

// plain gives a query as entries are compared with it.
func (q Query) plain() Query {
	q.Name = hostName(q.Name)
	q.Server = netip.AddrPortFrom(plainAddr(q.Server.Addr()), q.Server.Port())
	q.Client = plainAddr(q.Client)
	return q
}

// matches says whether the fields of a written entry agree with a plain query.
func (e *Entry) matches(q *Query) bool {
	return (e.Name == "" || nameMatches(e.Name, q.Name)) &&
		(!e.Address.IsValid() || e.Address.Contains(q.Server.Addr())) &&
		(e.Port == 0 || e.Port == q.Server.Port()) &&
		(!e.Client.IsValid() || e.Client.Contains(q.Client)) &&
		(e.User == "" || e.User == q.User) &&
		(e.Revision == "" || e.Revision == q.Revision)
}

// A key is what makes an entry the same as another. Its name is empty for tunnels.
type key struct {
	kind            Kind
	name            string
	address, client netip.Prefix
	port            uint16
	user, revision  string
}

func (e *Entry) key() key {
	k := key{e.Kind, e.Name, e.Address, e.Client, e.Port, e.User, e.Revision}
	if e.Kind == Tunnel {
		k.name = ""
	}
	return k
}

func (k key) id() string {
	h := sha256.New()
	fmt.Fprintf(h, "%q %q %v %v %d %q %q", k.kind, k.name, k.address, k.client, k.port, k.user, k.revision)
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// Text that comes with an entry is for people, and short.
const maxText = 500

// complete checks an entry and gives it the form in which it is kept.
func (e Entry) complete() (Entry, error) {
	if _, err := ParseKind(string(e.Kind)); err != nil {
		return e, err
	}
	if e.Name != "" {
		name, err := ParseName(e.Name)
		if err != nil {
			return e, err
		}
		e.Name = name
	}
	for _, p := range []*netip.Prefix{&e.Address, &e.Client} {
		if !p.IsValid() {
			continue
		}
		plain, err := ParsePrefix(p.String())
		if err != nil {
			return e, err
		}
		*p = plain
	}
	for what, s := range map[string]string{"user": e.User, "revision": e.Revision, "reason": e.Reason} {
		if len(s) > maxText || strings.ContainsFunc(s, unicode.IsControl) {
			return e, fmt.Errorf("the %s is too long or has control characters: want %d bytes at most, on one line", what, maxText)
		}
	}
	if e.Name == "" && !e.Address.IsValid() && !e.Client.IsValid() && e.User == "" {
		return e, errors.New("it would exempt everything: give it a name, an address, a client or a user")
	}
	if e.Kind.learned() && !e.asLearned() {
		return e, fmt.Errorf("it is not as the kind %s is learned: add one of the kind %s", e.Kind, Added)
	}
	e.ID = e.key().id()
	return e, nil
}

// asLearned says whether a learned entry has the fields that it is looked up by, and
// no other.
func (e *Entry) asLearned() bool {
	server := e.Address.IsSingleIP() && e.Port != 0
	switch {
	case !e.Client.IsSingleIP() || e.User != "":
		return false
	case e.Kind == Tunnel:
		return server && e.Revision != ""
	case e.Name == "":
		return server && e.Revision == ""
	}
	return e.Name == hostName(e.Name) && !e.Address.IsValid() && e.Port == 0 && e.Revision == ""
}
