package bypass

import (
	"container/list"
	"net/netip"
)

// bounded keeps so many values by key, those that were used last. No client, an
// address in IPv4 and 64 bits of one in IPv6, has more than its share of them, so
// that one which makes up names does not push out what others have.
type bounded[V any] struct {
	share   int
	items   map[key]*list.Element
	order   *list.List // of *keyed[V], the least recently used first
	clients map[netip.Prefix]int
}

type keyed[V any] struct {
	key   key
	value V
}

func newBounded[V any](share int) *bounded[V] {
	return &bounded[V]{share: share, items: map[key]*list.Element{}, order: list.New(), clients: map[netip.Prefix]int{}}
}

func (b *bounded[V]) len() int { return len(b.items) }

// get gives a value, and whether there is one.
func (b *bounded[V]) get(k key) (v V, ok bool) {
	e := b.items[k]
	if e == nil {
		return v, false
	}
	return e.Value.(*keyed[V]).value, true
}

// use says that a value was used now.
func (b *bounded[V]) use(k key) { b.order.MoveToBack(b.items[k]) }

// put adds a value, of which there are then no more than most, at least 1.
func (b *bounded[V]) put(k key, v V, most int) {
	b.remove(k)
	c := clientOf(k)
	if b.clients[c] >= b.share {
		b.remove(b.oldest(c))
	}
	b.trim(most - 1)
	b.items[k] = b.order.PushBack(&keyed[V]{k, v})
	b.clients[c]++
}

// trim leaves no more than most.
func (b *bounded[V]) trim(most int) {
	for len(b.items) > most {
		b.remove(b.order.Front().Value.(*keyed[V]).key)
	}
}

// oldest gives the least recently used of a client that has one.
func (b *bounded[V]) oldest(client netip.Prefix) key {
	e := b.order.Front()
	for clientOf(e.Value.(*keyed[V]).key) != client {
		e = e.Next()
	}
	return e.Value.(*keyed[V]).key
}

func (b *bounded[V]) remove(k key) {
	e := b.items[k]
	if e == nil {
		return
	}
	b.order.Remove(e)
	delete(b.items, k)
	c := clientOf(k)
	if b.clients[c]--; b.clients[c] == 0 {
		delete(b.clients, c)
	}
}

// each calls f with all values, the least recently used first. It may remove what it
// is called with.
func (b *bounded[V]) each(f func(k key, v V)) {
	for e := b.order.Front(); e != nil; {
		next := e.Next()
		f(e.Value.(*keyed[V]).key, e.Value.(*keyed[V]).value)
		e = next
	}
}

func clientOf(k key) netip.Prefix {
	a := k.client.Addr()
	if a.Is6() {
		p, _ := a.Prefix(64) // every address of IPv6 has one
		return p
	}
	return k.client
}
