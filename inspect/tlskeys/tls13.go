package tlskeys

import (
	"fmt"
	"slices"

	"sstpwarden/inspect/tlswire"
)

// A generation is the keys that one direction of a TLS 1.3 connection uses at
// a time (RFC 8446, Section 7). Each has sequence numbers of its own.
//
//	client  [early] -> handshake -> application -> application (key update) -> ...
//	server             handshake -> application -> application (key update) -> ...
//
// The handshake says when the next one begins. Where that was lost, or a
// secret is missing, the next record tells: it opens with one that follows.
type generation struct {
	protection
	suite  tlswire.Suite
	label  label
	secret []byte
}

// openTLS13 opens an encrypted record of TLS 1.3.
func (o *Opener) openTLS13(h *half, r tlswire.Record) (tlswire.ContentType, []byte, error) {
	// First as if nothing was lost.
	if plain, ok := o.try(h, r, numbers{next: h.seq, ahead: 1}); ok {
		return o.inner(h, r, plain)
	}
	if h.generation == nil && len(h.following) == 0 {
		return 0, nil, o.fail(h, o.missing(h))
	}
	n := h.numbers(r)
	if plain, ok := o.try(h, r, n); ok {
		return o.inner(h, r, plain)
	}
	h.spend(r, n.len()+n.ahead*len(h.following))
	return 0, nil, o.recordError(h, r, errNotAuthentic)
}

// try opens a record with the keys in use, and with those that may follow,
// which count from 0.
func (o *Opener) try(h *half, r tlswire.Record, n numbers) (plain []byte, ok bool) {
	buf := h.buffer(r)
	if g := h.generation; g != nil {
		if plain, used, err := g.open(buf, r, n); err == nil {
			o.succeed(h, used)
			return plain, true
		}
	}
	n.next, n.behind = 0, 0
	for _, g := range o.followers(h) {
		if plain, used, err := g.open(buf, r, n); err == nil {
			h.messages.Lose()
			h.change(g)
			o.succeed(h, used)
			return plain, true
		}
	}
	return nil, false
}

// inner takes TLSInnerPlaintext apart (RFC 8446, Section 5.2).
//
//	| content | type | zeros |
func (o *Opener) inner(h *half, r tlswire.Record, plain []byte) (tlswire.ContentType, []byte, error) {
	for i, b := range slices.Backward(plain) {
		if b != 0 {
			return tlswire.ContentType(b), plain[:i], nil
		}
	}
	h.seq-- // it was counted already
	return 0, nil, o.recordError(h, r, errNoContent)
}

func (h *half) change(g *generation) {
	h.generation, h.following, h.seq, h.missed = g, nil, 0, 0
}

// advance begins the next generation where a handshake message says so. If
// its secret is missing, that of the one after may still be known.
func (o *Opener) advance(h *half, l label) {
	followers := o.followers(h)
	for _, g := range followers {
		if g.label == l {
			h.change(g)
			return
		}
	}
	if len(followers) == 0 {
		_ = o.fail(h, o.missing(h)) // its error is that of the next record
	}
}

// followers returns the generations that may follow the one in use, in their
// order, as far as their secrets are known.
func (o *Opener) followers(h *half) []*generation {
	if len(h.following) > 0 {
		return h.following
	}
	if g := h.generation; g != nil && g.label == applicationLabel(h.client) {
		if secret, err := nextTrafficSecret(g.suite.PRF, g.secret); err == nil {
			h.follow(g.suite, g.label, secret)
		}
		return h.following
	}
	hs := &o.handshake
	for _, l := range hs.labels(h) {
		secret, ok := o.keys.secret(hs.client.random, l)
		if !ok {
			continue
		}
		for _, suite := range hs.suites(h) {
			if suite.PRF.Size() == int(secret.n) {
				h.follow(suite, l, secret.bytes())
			}
		}
	}
	return h.following
}

// follow adds a generation, unless its cipher is not supported.
func (h *half) follow(suite tlswire.Suite, l label, secret []byte) {
	p, err := newTLS13Protection(suite, secret)
	if err == nil {
		h.following = append(h.following, &generation{protection: p, suite: suite, label: l, secret: secret})
	}
}

// labels returns the secrets that may be used after the generation in use.
func (hs *handshake) labels(h *half) []label {
	all := []label{labelServerHandshake, labelServerApplication}
	if h.client {
		all = []label{labelClientEarly, labelClientHandshake, labelClientApplication}
		if !hs.client.earlyData {
			all = all[1:]
		}
	}
	for h.generation != nil && len(all) > 0 && all[0] <= h.generation.label {
		all = all[1:]
	}
	return all
}

// suites returns the suite of the connection. Before the ServerHello, which
// early data does not wait for, or when that was lost, it is one of those
// that the client offers.
func (hs *handshake) suites(h *half) []tlswire.Suite {
	switch {
	case hs.server != nil:
		return []tlswire.Suite{hs.server.suite}
	case h.generation != nil && h.generation.label != labelClientEarly:
		return []tlswire.Suite{h.generation.suite}
	}
	return hs.client.suites
}

func applicationLabel(client bool) label {
	if client {
		return labelClientApplication
	}
	return labelServerApplication
}

// missing says why there is no generation to follow.
func (o *Opener) missing(h *half) string {
	hs := &o.handshake
	if hs.server != nil {
		if reason := hs.server.unsupported(); reason != "" {
			return reason
		}
	} else if _, ok := o.keys.secret(hs.client.random, labelMaster); ok {
		return noServerHello // it was TLS 1.2 then
	}
	for l := labelClientEarly; l <= labelServerApplication; l++ {
		if _, ok := o.keys.secret(hs.client.random, l); ok {
			return fmt.Sprintf("no %v of use for client random %x.. in the key log", applicationLabel(h.client), hs.client.random[:8])
		}
	}
	return hs.client.noSecrets()
}
