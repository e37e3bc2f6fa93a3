package interop

import (
	"fmt"
	"strconv"
	"strings"

	"sstpwarden/pcaps/netlab/labtest"
)

// A warden is `sstpwarden nfq` that runs on the router.
type warden struct {
	*labtest.Warden
	lab *lab
}

// warden starts the inspector and waits until it inspects.
func (l *lab) warden(args ...string) *warden {
	l.T.Helper()
	w := l.launch("sstpwarden", args...)
	w.Ready()
	return w
}

func (l *lab) launch(name string, args ...string) *warden {
	l.T.Helper()
	return &warden{l.Warden(l.Router, "nfq", name, args...), l}
}

// of waits for an event of the connection from that port.
func (w *warden) of(port int) labtest.Entry {
	w.T.Helper()
	return w.entry("an event of the connection from port "+strconv.Itoa(port), func(e *labtest.Entry) bool { return e.SrcPort == port })
}

// decided waits for an event that tells of such a decision.
func (w *warden) decided(port int, want string) labtest.Entry {
	w.T.Helper()
	return w.entry("an event of the connection from port "+strconv.Itoa(port)+" says "+want, func(e *labtest.Entry) bool {
		return e.SrcPort == port && e.Decided() == want
	})
}

// entry waits for such an event.
func (w *warden) entry(what string, is func(*labtest.Entry) bool) (found labtest.Entry) {
	w.T.Helper()
	w.lab.Eventually(what, func() bool {
		for _, e := range w.Events() {
			if is(&e) {
				found = e
				return true
			}
		}
		return false
	})
	return found
}

// exceptions is how often a cause came up.
func (w *warden) exceptions(cause string) float64 {
	w.T.Helper()
	return w.Metric(`nfq_exceptions_total{cause="` + cause + `"}`)
}

// checkLines waits for so many lines of the log that hold all these texts, which may
// come later than what they tell of, and checks that there are no more.
func (w *warden) checkLines(n int, texts ...string) {
	w.T.Helper()
	w.lab.Eventually(fmt.Sprintf("%d lines of the log hold %q", n, texts), func() bool { return w.lines(texts...) >= n })
	if got := w.lines(texts...); got > n {
		w.T.Errorf("%d lines of the log hold %q, want %d", got, texts, n)
	}
}

// lines counts those of the log that hold all these texts.
func (w *warden) lines(texts ...string) (n int) {
	w.T.Helper()
lines:
	for line := range strings.Lines(w.Text()) {
		for _, text := range texts {
			if !strings.Contains(line, text) {
				continue lines
			}
		}
		n++
	}
	return n
}
