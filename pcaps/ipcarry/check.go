package ipcarry

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"net/url"
	"sync"
	"time"
)

const (
	// checkBody is how much of an answer Check reads: enough that large packets had to
	// pass, in both directions of the path MTU.
	checkBody = 1 << 20
	// checkRedirects is how many redirections Check follows.
	checkRedirects = 5
)

// A CheckResult is what Check saw of the last request. Times count from the start of the
// check; those of steps that did not happen are 0.
type CheckResult struct {
	URL    string         // of the answer, after redirections
	Status int            // HTTP status, 0 for no answer
	Proto  string         // "HTTP/1.1"
	Remote netip.AddrPort // who answered
	Bytes  int64          // of the body, up to 1 MiB

	Connected time.Duration // TCP, name resolved
	Secured   time.Duration // TLS
	Answered  time.Duration // first byte of the answer
	Total     time.Duration // end of the body
}

// A CheckStep is a part of a check.
type CheckStep string

// The steps of a check, in order.
const (
	CheckURL     CheckStep = "URL"
	CheckResolve CheckStep = "resolving"
	CheckConnect CheckStep = "connecting"
	CheckTLS     CheckStep = "TLS"
	CheckHTTP    CheckStep = "HTTP"
	CheckStatus  CheckStep = "HTTP status"
	CheckRead    CheckStep = "reading the body"
)

// A CheckError says which step of a check failed, why, and what to look at.
type CheckError struct {
	URL  string
	Step CheckStep
	Err  error
}

func (e *CheckError) Error() string {
	return fmt.Sprintf("checking %s: %s: %v (%s)", e.URL, e.Step, e.Err, e.hint())
}

func (e *CheckError) Unwrap() error { return e.Err }

func (e *CheckError) hint() string {
	switch e.Step {
	case CheckURL:
		return "give an absolute http:// or https:// URL"
	case CheckResolve:
		return "do the server's name servers, sent in IPCP, answer through the tunnel?"
	case CheckConnect:
		return "does the server forward and masquerade for the tunnel's addresses, and does the target listen?"
	case CheckTLS:
		return "is the certificate for this name and from a known CA? Large packets pass first here: a stall points at the MTU"
	case CheckHTTP, CheckRead:
		return "a stall after large packets points at the MTU or at MSS clamping"
	case CheckStatus:
		return "the tunnel works; the target answers with something else than 2xx"
	}
	return "see the cause"
}

// Check gets a URL through dial and wants a 2xx answer. config is for https; nil stands
// for Go's defaults. Every error is a *CheckError, and the result holds what was reached.
func Check(ctx context.Context, target string, dial DialFunc, config *tls.Config) (CheckResult, error) {
	c := &checker{start: time.Now(), step: CheckURL}
	c.result.URL = target
	err := c.run(ctx, target, dial, config)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.result.Total = time.Since(c.start)
	if err == nil {
		return c.result, nil
	}
	step := c.step
	if _, ok := errors.AsType[*net.DNSError](err); ok && step == CheckConnect {
		step = CheckResolve
	}
	if ue, ok := errors.AsType[*url.Error](err); ok { // it repeats the URL
		err = ue.Err
	}
	return c.result, &CheckError{URL: c.result.URL, Step: step, Err: err}
}

type checker struct {
	start time.Time

	mu     sync.Mutex // the transport's goroutines call trace
	step   CheckStep
	result CheckResult
}

func (c *checker) run(ctx context.Context, target string, dial DialFunc, config *tls.Config) error {
	u, err := url.Parse(target)
	if err != nil {
		return err
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return fmt.Errorf("the scheme %q cannot be checked", u.Scheme)
	}
	request, err := http.NewRequestWithContext(httptrace.WithClientTrace(ctx, c.trace()), http.MethodGet, target, nil)
	if err != nil {
		return err
	}
	request.Header.Set("User-Agent", "sstplab")
	connect := func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err == nil {
			c.reach(CheckHTTP, func(r *CheckResult) *time.Duration { return &r.Connected })
		}
		return conn, err
	}
	transport := &http.Transport{DialContext: connect, TLSClientConfig: config, DisableKeepAlives: true, DisableCompression: true}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, CheckRedirect: func(next *http.Request, via []*http.Request) error {
		if len(via) > checkRedirects {
			c.reach(CheckStatus, nil)
			return fmt.Errorf("more than %d redirections", checkRedirects)
		}
		c.begin(next.URL.String())
		return nil
	}}
	c.begin(target)
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer hangUp(response.Body)
	return c.read(response)
}

// begin starts over for a URL.
func (c *checker) begin(target string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.step = CheckConnect
	c.result = CheckResult{URL: target}
}

func (c *checker) read(response *http.Response) error {
	c.mu.Lock()
	c.step = CheckStatus
	c.result.Status, c.result.Proto = response.StatusCode, response.Proto
	c.mu.Unlock()
	if response.StatusCode/100 != 2 {
		return errors.New(response.Status)
	}
	n, err := io.Copy(io.Discard, io.LimitReader(response.Body, checkBody))
	c.mu.Lock()
	defer c.mu.Unlock()
	c.result.Bytes = n
	c.step = CheckRead
	return err
}

// reach notes how far the check is, and when it came there.
func (c *checker) reach(next CheckStep, when func(*CheckResult) *time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.step = next
	if when != nil {
		*when(&c.result) = time.Since(c.start)
	}
}

func (c *checker) trace() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		TLSHandshakeStart: func() { c.reach(CheckTLS, nil) },
		TLSHandshakeDone: func(_ tls.ConnectionState, err error) {
			if err == nil {
				c.reach(CheckHTTP, func(r *CheckResult) *time.Duration { return &r.Secured })
			}
		},
		GotConn: func(info httptrace.GotConnInfo) {
			remote, _ := netip.ParseAddrPort(info.Conn.RemoteAddr().String())
			c.mu.Lock()
			defer c.mu.Unlock()
			c.result.Remote = remote
		},
		GotFirstResponseByte: func() {
			c.reach(CheckHTTP, func(r *CheckResult) *time.Duration { return &r.Answered })
		},
	}
}
