package probe

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.uber.org/goleak"

	"sstpwarden/pcaps/sstpref"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var testCertificate = sync.OnceValue(func() tls.Certificate {
	c, err := sstpref.SelfSigned(time.Now(), false, "vpn.example", "127.0.0.1")
	if err != nil {
		panic(err)
	}
	return c
})

// listen serves each connection with handle, on a goroutine of its own, until the
// test ends.
func listen(t *testing.T, handle func(net.Conn)) netip.AddrPort {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer c.Close()
				handle(c)
			})
		}
	})
	t.Cleanup(func() { ln.Close(); serving.Wait() })
	return ln.Addr().(*net.TCPAddr).AddrPort()
}

// overTLS has handle speak inside TLS, once a request was read, which it is given.
func overTLS(config *tls.Config, handle func(c *tls.Conn, request string)) func(net.Conn) {
	if config == nil {
		config = &tls.Config{Certificates: []tls.Certificate{testCertificate()}}
	}
	return func(raw net.Conn) {
		c := tls.Server(raw, config)
		request := readRequest(c)
		if request == "" {
			return
		}
		handle(c, request)
	}
}

// readRequest reads a head, "" if none comes.
func readRequest(c io.Reader) string {
	var got []byte
	buf := make([]byte, 4096)
	for !bytes.HasSuffix(got, []byte("\r\n\r\n")) {
		n, err := c.Read(buf)
		got = append(got, buf[:n]...)
		if err != nil {
			return ""
		}
	}
	return string(got)
}

// answering answers every request with text, and reads until the client leaves.
func answering(text string) func(net.Conn) {
	return overTLS(nil, func(c *tls.Conn, _ string) {
		_, _ = io.WriteString(c, text)
		_, _ = io.Copy(io.Discard, c)
	})
}

// head writes lines as a head.
func head(lines ...string) string { return strings.Join(lines, "\r\n") + "\r\n\r\n" }

const endless = "Content-Length: 18446744073709551615"

// ask asks, and holds the result against the schema.
func ask(t *testing.T, p *Prober, target Target) Result {
	t.Helper()
	r := p.Ask(t.Context(), target)
	checkSchema(t, &r)
	return r
}

var resultSchema = sync.OnceValue(func() *jsonschema.Schema {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(Schema))
	if err != nil {
		panic(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("result.schema.json", doc); err != nil {
		panic(err)
	}
	return c.MustCompile("result.schema.json")
})

func checkSchema(t *testing.T, r *Result) {
	t.Helper()
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if err := resultSchema().Validate(doc); err != nil {
		t.Errorf("%v\n%s", err, text)
	}
}

// inMemory is a Dial to servers that exist in memory only.
func inMemory(serving *sync.WaitGroup, handle func(addr string, c net.Conn)) func(context.Context, string, string) (net.Conn, error) {
	return func(_ context.Context, _, addr string) (net.Conn, error) {
		client, server := net.Pipe()
		serving.Go(func() {
			defer server.Close()
			handle(addr, server)
		})
		return client, nil
	}
}
