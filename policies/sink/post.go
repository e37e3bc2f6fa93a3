package sink

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

// A poster is the target that is a web service.
type poster struct {
	url       string
	client    *http.Client
	agent     string
	tokenFile string
	timeout   time.Duration
	retry     retrier
}

func newPoster(u *url.URL, o *Options) (*poster, error) {
	if _, err := hostPort(u, ""); err != nil {
		return nil, err
	}
	transport := &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		TLSClientConfig:     o.TLS,
		TLSHandshakeTimeout: o.Timeout,
		ForceAttemptHTTP2:   true,
		IdleConnTimeout:     90 * time.Second,
		MaxIdleConns:        1,
	}
	p := &poster{
		url:       u.String(),
		client:    &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
		agent:     o.AppName,
		tokenFile: o.HTTP.TokenFile,
		timeout:   o.Timeout,
		retry:     newRetrier(o),
	}
	if p.tokenFile != "" {
		if _, err := p.token(); err != nil {
			return nil, err
		}
	}
	return p, nil
}

func (p *poster) deliver(ctx context.Context, b *batch, s *Sink) {
	body, good, size := array(b)
	if bad := b.len() - good; bad > 0 {
		s.queue.settle(bad, len(b.data)-size, false)
		s.fail(ctx, errNoJSON)
	}
	if good > 0 {
		s.queue.settle(good, size, p.retry.begin(ctx) && p.insist(ctx, body, s))
	}
}

// errNoJSON is told of records that would spoil a batch.
var errNoJSON = errors.New("a record is not JSON and was left out")

// array makes the body of a request of the records that are JSON, and counts
// them and their bytes in the queue.
func array(b *batch) (body []byte, good, size int) {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	next := byte('[')
	for i := range b.ends {
		line := b.line(i)
		if !json.Valid(line) {
			continue
		}
		good++
		size += len(line) + 1
		_, _ = w.Write([]byte{next}) // into memory, like the rest: it does not fail
		_, _ = w.Write(line)
		next = ','
	}
	_, _ = w.Write([]byte{']'})
	_ = w.Close()
	return out.Bytes(), good, size
}

// insist posts a body until the server took it, which it returns, or refuses
// it, or is given up.
func (p *poster) insist(ctx context.Context, body []byte, s *Sink) bool {
	for {
		err := p.post(ctx, body)
		if err == nil {
			p.retry.succeeded()
			return true
		}
		s.fail(ctx, err)
		var status *statusError
		if errors.As(err, &status) && status.final() {
			p.retry.succeeded() // the server works
			return false
		}
		if !p.retry.failed(ctx) {
			return false
		}
	}
}

func (p *poster) post(ctx context.Context, body []byte) error {
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url, bytes.NewReader(body))
	if err != nil {
		return cause(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Content-Encoding", "gzip")
	req.Header.Set("User-Agent", p.agent)
	if p.tokenFile != "" {
		token, err := p.token()
		if err != nil {
			return err
		}
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := p.client.Do(req)
	if err != nil {
		return cause(err)
	}
	defer func() { _ = resp.Body.Close() }() // it was read as far as it matters
	said, _ := io.ReadAll(io.LimitReader(resp.Body, maxSaid))
	if resp.StatusCode/100 == 2 {
		return nil
	}
	return &statusError{status: resp.StatusCode, said: said, location: resp.Header.Get("Location")}
}

// maxSaid is how much of a response is read.
const maxSaid = 4 << 10

// maxToken is more than any token has, in bytes.
const maxToken = 64 << 10

// token reads the token. It is no part of any error.
func (p *poster) token() (string, error) {
	f, err := os.Open(p.tokenFile)
	if err != nil {
		return "", fmt.Errorf("reading the token: %w", err)
	}
	defer func() { _ = f.Close() }() // it was only read
	text, err := io.ReadAll(io.LimitReader(f, maxToken+1))
	if err != nil {
		return "", fmt.Errorf("reading the token: %w", err)
	}
	token := strings.TrimSpace(string(text))
	if token == "" || len(text) > maxToken || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return "", fmt.Errorf("reading the token: %s should hold one line, the token", p.tokenFile)
	}
	return token, nil
}

func (p *poster) close() error {
	p.client.CloseIdleConnections()
	return nil
}

// A statusError is an answer that is no receipt.
type statusError struct {
	status   int
	said     []byte
	location string // where a redirection points
}

func (e *statusError) Error() string {
	text := fmt.Sprintf("the server answered %d %s", e.status, http.StatusText(e.status))
	const most = 200 // bytes of the explanation that are worth telling
	if said := bytes.TrimSpace(e.said); len(said) > 0 {
		text += fmt.Sprintf(": %.*q", most, said)
	}
	switch {
	case e.location != "":
		text += fmt.Sprintf("; redirections are not followed: is the right destination %q?", e.location)
	case e.status == http.StatusUnauthorized || e.status == http.StatusForbidden:
		text += "; is the token right?"
	case e.status == http.StatusRequestEntityTooLarge:
		text += "; make batches smaller"
	}
	return text
}

// final says that the same request would get the same answer.
func (e *statusError) final() bool {
	switch e.status {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity:
		return true
	}
	return false
}
