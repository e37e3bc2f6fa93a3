package proxy

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.uber.org/goleak"

	"sstpwarden/inspect"
	"sstpwarden/policies"
	"sstpwarden/policies/event"
	"sstpwarden/proxy/access"
	"sstpwarden/proxy/bypass"
	"sstpwarden/rules"
)

// TestMain gives root a network namespace of its own, where connections can be
// redirected.
func TestMain(m *testing.M) {
	enterNamespace()
	goleak.VerifyTestMain(m)
}

// dropping is the default policy in short.
var dropping = policies.DeciderFunc(func(_ context.Context, in policies.Input) (policies.Decision, error) {
	d := policies.Decision{Action: policies.ActionAllow, Reason: "Not SSTP.", Rule: "test.rest", Revision: "1"}
	if in.Detection.Verdict.Strength() >= inspect.VerdictSuspected.Strength() {
		d = policies.Decision{Action: policies.ActionDrop, Reason: "SSTP.", Rule: "test.sstp", Revision: "1"}
	}
	return d, nil
})

// always answers the same about everything, but for SSTP.
func always(d policies.Decision) policies.DeciderFunc {
	return func(context.Context, policies.Input) (policies.Decision, error) {
		d.Reason, d.Rule, d.Revision = "Because.", "test.always", "1"
		return d, nil
	}
}

// noTLS is enough of what is none for nobody to look for it any more.
var noTLS = strings.Repeat("no TLS\r\n", 1<<10)

// A lab is a proxy that runs.
type lab struct {
	*Server
	addr string // of the explicit listener
	log  *syncBuffer
	stop context.CancelFunc // in good order
	cut  context.CancelFunc // at once

	mu     sync.Mutex
	events []event.Event
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// run starts a proxy on loopback, which is allowed as a destination, and stops it
// with the test.
func run(t testing.TB, d policies.Decider, change func(*Config), more ...Listener) *lab {
	t.Helper()
	l := &lab{log: &syncBuffer{}}
	list := bypass.New(bypass.Options{})
	t.Cleanup(func() { _ = list.Close() })
	in := inspect.NewInspector(inspect.Options{Rules: rules.Default()})
	c := Config{
		Inspector:    func() *inspect.Inspector { return in },
		Gate:         &policies.Gate{Decider: d, Point: policies.PointProxy},
		Emit:         l.emit,
		Log:          slog.New(slog.NewTextHandler(l.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Clients:      access.Private,
		Realm:        "lab",
		Destinations: access.NewDestinations(access.DestinationOptions{Allow: access.Networks{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}}),
		Limiter:      access.NewLimiter(0, 0),
		Bypass:       list,
	}
	if change != nil {
		change(&c)
	}
	l.Server = New(c)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.addr = ln.Addr().String()
	ctx, stop := context.WithCancel(context.Background())
	hard, cut := context.WithCancel(context.Background())
	l.stop, l.cut = stop, cut
	done := make(chan error, 1)
	go func() { done <- l.Serve(ctx, hard, append(more, Listener{ln, event.ModeExplicit})...) }()
	t.Cleanup(func() {
		stop()
		cut()
		if err := <-done; err != nil {
			t.Errorf("serving: %v", err)
		}
		l.valid(t)
		if t.Failed() {
			t.Logf("log of the proxy:\n%s", l.log)
		}
	})
	return l
}

func (l *lab) emit(e *event.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.events = append(l.events, *e)
}

// eventSchema is what every event of a lab is held against.
var eventSchema = sync.OnceValues(func() (*jsonschema.Schema, error) {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(event.Schema))
	if err != nil {
		return nil, err
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("event.schema.json", doc); err != nil {
		return nil, err
	}
	return c.Compile("event.schema.json")
})

// valid checks all events against the schema, and that each connection was told
// of once at its end, and before it at most once.
func (l *lab) valid(t testing.TB) {
	t.Helper()
	schema, err := eventSchema()
	if err != nil {
		t.Fatal(err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	states := map[uint64]string{}
	for i := range l.events {
		e := &l.events[i]
		text, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(doc); err != nil {
			t.Errorf("event %s: %v", text, err)
		}
		states[e.FlowID] += e.State + " "
	}
	for id, told := range states {
		if told != "closed " && told != "open closed " {
			t.Errorf("connection %d was told of as %q", id, told)
		}
	}
}

// closed waits until n connections have ended that are told of.
func (l *lab) closed(t testing.TB, n int) []event.Event {
	t.Helper()
	var list []event.Event
	until(t, fmt.Sprint(n, " connections to end"), func() bool {
		list = nil
		l.mu.Lock()
		defer l.mu.Unlock()
		for _, e := range l.events {
			if e.State == event.StateClosed {
				list = append(list, e)
			}
		}
		return len(list) >= n
	})
	return list
}

// until waits for something to become true.
func until(t testing.TB, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// told waits for the event of a connection that ended.
func (l *lab) told(t testing.TB) event.Event {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for time.Now().Before(deadline) {
		l.mu.Lock()
		for _, e := range l.events {
			if e.State == event.StateClosed {
				l.mu.Unlock()
				return e
			}
		}
		l.mu.Unlock()
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatal("no event of a connection that ended")
	return event.Event{}
}
