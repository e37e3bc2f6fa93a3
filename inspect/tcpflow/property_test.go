package tcpflow_test

import (
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"sstpwarden/inspect/tcpflow"
)

func randomText(rng *rand.Rand, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = 'a' + byte(rng.IntN(26))
	}
	return string(b)
}

// cut cuts a stream into segments, from isn+1 on.
func cut(rng *rand.Rand, isn uint32, text string) []seg {
	var segs []seg
	for at := 0; at < len(text); {
		n := min(1+rng.IntN(40), len(text)-at)
		segs = append(segs, c(ACK, isn+1+uint32(at), 5001, text[at:at+n]))
		at += n
	}
	return segs
}

// Any order within a window, duplicates and overlaps give the same bytes.
func TestAnyOrder(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 500 {
		isn := rng.Uint32()
		text := randomText(rng, rng.IntN(2000)+1)
		segs := cut(rng, isn, text)
		for range rng.IntN(20) { // another cutting, in part
			from := rng.IntN(len(text))
			to := from + 1 + rng.IntN(len(text)-from)
			at := rng.IntN(len(segs) + 1)
			segs = append(segs[:at:at], append([]seg{c(ACK, isn+1+uint32(from), 5001, text[from:to])}, segs[at:]...)...)
		}
		const window = 12
		for at := 0; at < len(segs); at += window / 2 {
			part := segs[at:min(at+window, len(segs))]
			rng.Shuffle(len(part), func(i, j int) { part[i], part[j] = part[j], part[i] })
		}
		h := newHarness(t, tcpflow.Config{})
		h.ok(c(SYN, isn, 0, ""))
		for _, s := range segs {
			h.ok(s)
		}
		h.wantC2S(text)
		if st := h.table.Stats(); st.MissingBytes != 0 {
			t.Fatalf("%d bytes missing", st.MissingBytes)
		}
		sent := 0
		for _, s := range segs {
			sent += len(s.data)
		}
		// All that was sent was delivered once, or repeated; keep-alives, which
		// a repeated last byte alone looks like, are not counted.
		st := h.table.Stats()
		if rest := sent - len(text) - int(st.RepeatedBytes); rest < 0 || rest > 20 {
			t.Fatalf("%d bytes sent for %d, %d counted as repeated", sent, len(text), st.RepeatedBytes)
		}
		h.table.Flush()
	}
}

// Each lost segment is Missing, in its place and with its size, whether it is
// acknowledged, waited for in vain, or the connection ends.
func TestLoss(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for round := range 300 {
		isn := rng.Uint32()
		text := randomText(rng, rng.IntN(2000)+1)
		h := newHarness(t, tcpflow.Config{})
		h.ok(c(SYN, isn, 0, ""))
		want, missing := "", 0
		for _, s := range cut(rng, isn, text) {
			if rng.IntN(4) == 0 {
				missing += len(s.data)
				continue
			}
			if missing > 0 {
				want += "[" + strconv.Itoa(missing) + "]"
				missing = 0
			}
			want += s.data
			h.ok(s)
			switch round % 3 {
			case 1:
				h.ok(seg{src: server4, dst: client4, flags: ACK, seq: 5001, ack: s.seq + uint32(len(s.data))})
			case 2:
				h.wait(6 * time.Second)
			}
		}
		h.table.Flush()
		if want != "" {
			h.wantC2S(want)
		}
	}
}
