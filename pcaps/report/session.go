package report

import (
	"fmt"
	"strings"
	"time"

	"sstpwarden/policies/event"
)

// A moment of a session: how long after its beginning, and what.
type moment struct {
	After, What string
	Mono        bool // What is the id of a rule
}

// maxMoments is how many are shown of a connection: more than an event holds.
const maxMoments = 64

// session gives what was seen of a connection, in order.
func session(e *event.Event) []moment {
	begin := "first packet"
	if e.Midstream {
		begin = "capture begins, in the middle"
	}
	out := []moment{{After: after(0), What: begin}}
	for i := 0; i < len(e.Timeline) && i < maxMoments; {
		m := e.Timeline[i]
		n := 1
		for i+n < len(e.Timeline) && e.Timeline[i+n].What == m.What {
			n++
		}
		line := newMoment(m.What)
		line.After = after(m.At.Sub(e.Timestamp.Time))
		if n > 1 {
			line.What += fmt.Sprintf(", %d times", n)
		}
		out = append(out, line)
		i += n
	}
	if last := endOf(e).Sub(e.Timestamp.Time); last > 0 {
		out = append(out, moment{After: after(last), What: "last packet"})
	}
	return out
}

// newMoment puts an event's name of a moment in words.
func newMoment(what string) moment {
	if rule, ok := strings.CutPrefix(what, "evidence "); ok {
		return moment{What: short(rule, maxField), Mono: true}
	}
	if text, ok := momentWords[what]; ok {
		return moment{What: text}
	}
	return moment{What: short(words(what), maxField)}
}

// momentWords are those that are not the name with its underscores as spaces.
var momentWords = map[string]string{
	"tls_client_hello":     "TLS ClientHello",
	"tls_server_hello":     "TLS ServerHello",
	"connect_request":      "CONNECT",
	"connect_response":     "CONNECT answered",
	"http_request":         "HTTP request",
	"http_response":        "HTTP response",
	"call_connect_request": "Call Connect Request",
	"call_connect_ack":     "Call Connect Ack",
	"call_connect_nak":     "Call Connect Nak",
	"call_connected":       "Call Connected",
	"call_abort":           "Call Abort",
	"call_disconnect":      "Call Disconnect",
	"call_disconnect_ack":  "Call Disconnect Ack",
	"ppp_lcp_up":           "PPP link up",
	"ppp_auth_success":     "PPP authenticated",
	"ppp_auth_failure":     "PPP authentication failed",
	"ip_up":                "IP up",
	"first_data":           "first IP packet",
	"first_echo":           "first echo request",
}

// after writes a time since the beginning in steps that tell things apart.
func after(d time.Duration) string {
	switch {
	case d < 0:
		return "-" + after(-d)
	case d == 0:
		return "0"
	case d < time.Second:
		return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
	case d < time.Minute:
		return fmt.Sprintf("%.2f s", d.Seconds())
	}
	return d.Round(time.Second).String()
}
