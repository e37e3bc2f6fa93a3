package tcpflow

// links are embedded in what can stand in a list; one list at a time.
type links[T any] struct{ prev, next *T }

type linked[T any] interface {
	*T
	link() *links[T]
}

// A list is doubly linked through its elements and allocates nothing. The
// zero value is empty.
type list[T any, P linked[T]] struct {
	first, last *T
	n           int
}

func (l *list[T, P]) pushBack(e *T) {
	k := P(e).link()
	k.prev, k.next = l.last, nil
	if l.last != nil {
		P(l.last).link().next = e
	} else {
		l.first = e
	}
	l.last = e
	l.n++
}

func (l *list[T, P]) remove(e *T) {
	k := P(e).link()
	if k.prev != nil {
		P(k.prev).link().next = k.next
	} else {
		l.first = k.next
	}
	if k.next != nil {
		P(k.next).link().prev = k.prev
	} else {
		l.last = k.prev
	}
	*k = links[T]{}
	l.n--
}

func (l *list[T, P]) moveToBack(e *T) {
	if l.last != e {
		l.remove(e)
		l.pushBack(e)
	}
}
