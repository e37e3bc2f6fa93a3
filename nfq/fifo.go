package nfq

// A fifo is a queue of flows.
type fifo struct {
	flows []*flow
	head  int // of flows, those before are gone
}

func (q *fifo) len() int { return len(q.flows) - q.head }

// first is nil where there is none.
func (q *fifo) first() *flow {
	if q.len() == 0 {
		return nil
	}
	return q.flows[q.head]
}

func (q *fifo) push(fl *flow) {
	if q.head > 64 && q.head > len(q.flows)/2 {
		n := copy(q.flows, q.flows[q.head:])
		clear(q.flows[n:])
		q.flows, q.head = q.flows[:n], 0
	}
	q.flows = append(q.flows, fl)
}

// pop takes the first of those that there are.
func (q *fifo) pop() *flow {
	fl := q.flows[q.head]
	q.flows[q.head] = nil
	q.head++
	return fl
}
