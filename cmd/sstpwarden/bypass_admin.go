package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"

	"sstpwarden/cmd/cli"
)

// defaultAdmin is where the shipped configuration has the admin listener.
const defaultAdmin = "unix:/run/sstpwarden/admin.sock"

// An admin listener answers at once, or something is wrong with it.
const adminPatience = 10 * time.Second

// maxAnswer is far more than the longest list takes.
const maxAnswer = 256 << 20

// An adminClient asks a running program's admin listener.
type adminClient struct {
	at    string // as the user gave it
	http  http.Client
	base  string
	whose string // "the proxy"
	what  string // a program that has what is asked for
}

// newAdminClient makes one that asks whose listener it is that is to be asked: at least what.
func newAdminClient(at, whose, what string) (*adminClient, error) {
	c := &adminClient{at: at, base: "http://localhost", whose: whose, what: what}
	network, address := "unix", strings.TrimPrefix(at, "unix:")
	if address == at {
		network, c.base = "tcp", "http://"+at
		if _, _, err := net.SplitHostPort(at); err != nil {
			return nil, cli.Usagef("--admin %s is no address: give unix:/PATH/OF/SOCKET or 127.0.0.1:PORT", at)
		}
	}
	c.http = http.Client{
		Timeout: adminPatience,
		Transport: &http.Transport{
			DisableKeepAlives: true,
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, network, address)
			},
		},
	}
	return c, nil
}

// ask sends a request, with what is sent as JSON, and reads the answer.
func (c *adminClient) ask(ctx context.Context, method, path string, send, receive any) error {
	var body io.Reader
	if send != nil {
		text, err := json.Marshal(send)
		if err != nil {
			return err
		}
		body = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return cli.Usagef("--admin %s is no address: %w", c.at, err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return c.failed(err)
	}
	defer func() { _ = resp.Body.Close() }() // it was only read
	d := json.NewDecoder(io.LimitReader(resp.Body, maxAnswer))
	if resp.StatusCode >= 300 {
		var answer struct{ Error string }
		if err := d.Decode(&answer); err != nil || answer.Error == "" {
			answer.Error = fmt.Sprintf("%s; is this the admin listener of %s?", resp.Status, c.what)
		}
		return failedCommand(fmt.Errorf("%s answers: %s", c.at, answer.Error))
	}
	if receive == nil {
		return nil
	}
	if err := d.Decode(receive); err != nil {
		return failedCommand(fmt.Errorf("reading the answer of %s: %w", c.at, err))
	}
	return nil
}

// failed says what to do where nobody answers.
func (c *adminClient) failed(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err // the URL in it is not the user's
	}
	advice := ""
	switch {
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, fs.ErrNotExist):
		advice = ": is " + c.whose + " running, and is this its admin listener (--admin, as admin.listen in its configuration)?"
	case errors.Is(err, fs.ErrPermission):
		advice = ": only root and the user that " + c.whose + " runs as may ask it"
	}
	return failedCommand(fmt.Errorf("asking %s: %w%s", c.at, err, advice))
}

func failedCommand(err error) error { return &cli.ExitError{Status: cli.ExitFailed, Err: err} }
