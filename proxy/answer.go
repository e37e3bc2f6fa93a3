package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"

	"sstpwarden/inspect/httphead"
	"sstpwarden/policies"
	"sstpwarden/policies/event"
	"sstpwarden/proxy/access"
)

// An answer is what a client is told instead of what it asked for.
type answer struct {
	status int
	text   string // for people
	header httphead.Fields
}

// append writes the answer as the last on its connection.
func (a answer) append(b []byte) []byte {
	body := a.body()
	head := httphead.Response{Version: httphead.HTTP11, Status: a.status, Reason: http.StatusText(a.status)}
	head.Fields = append(head.Fields, a.header...)
	head.Fields = append(head.Fields,
		httphead.Field{Name: "Content-Type", Value: "text/plain; charset=utf-8"},
		httphead.Field{Name: "Content-Length", Value: strconv.Itoa(len(body))},
		httphead.Field{Name: "Connection", Value: "close"})
	return append(head.Append(b), body...)
}

func (a answer) body() string {
	return "sstpwarden: " + event.Printable(a.text) + "\n"
}

// serve writes the answer through net/http.
func (a answer) serve(w http.ResponseWriter) {
	for _, f := range a.header {
		w.Header().Set(f.Name, f.Value)
	}
	http.Error(w, strings.TrimSuffix(a.body(), "\n"), a.status)
}

func deniedBy(d policies.Decision) answer {
	return answer{status: http.StatusForbidden, text: fmt.Sprintf("not allowed by the policy: %s (%s)", d.Reason, d.Rule)}
}

// unreachable words why a server was not reached.
func unreachable(what string, err error) answer {
	var refused *access.RefusedError
	var upstream *upstreamError
	var timeout net.Error
	var dns *net.DNSError
	a := answer{status: http.StatusBadGateway, text: fmt.Sprintf("connecting to %s: %s", what, withoutAddresses(err))}
	switch {
	case errors.As(err, &refused):
		a.status, a.text = http.StatusForbidden, fmt.Sprintf("%s may not be reached through this proxy", what)
	case errors.As(err, &upstream) && (upstream.status == http.StatusForbidden || upstream.status/100 == 5):
		a.status = upstream.status
	case errors.As(err, &dns) && dns.IsNotFound:
		a.text = fmt.Sprintf("no address is known of %s", what)
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		a.status, a.text = http.StatusGatewayTimeout, fmt.Sprintf("%s did not answer in time", what)
	}
	return a
}

// unanswered is the answer where a server took a request and gave none.
func unanswered(what string, err error) answer {
	a := unreachable(what, err)
	if a.status == http.StatusBadGateway {
		a.text = fmt.Sprintf("%s ended the connection without an answer: %s", what, withoutAddresses(err))
	}
	return a
}

// withoutAddresses words an error: addresses of the network behind the proxy
// are not for its clients.
func withoutAddresses(err error) string {
	var upstream *upstreamError
	var dns *net.DNSError
	var op *net.OpError
	var errno syscall.Errno
	switch {
	case errors.As(err, &upstream):
		return fmt.Sprintf("the next proxy answered %d %s", upstream.status, upstream.reason)
	case errors.As(err, &dns):
		return "its name could not be looked up"
	case errors.As(err, &errno):
		return errno.Error()
	case errors.As(err, &op):
		return op.Err.Error()
	}
	return err.Error()
}
