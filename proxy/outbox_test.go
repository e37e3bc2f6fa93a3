package proxy

import (
	"net/netip"
	"slices"
	"testing"

	"sstpwarden/inspect"
	"sstpwarden/policies"
	"sstpwarden/policies/event"
)

// Who takes events and waits does not hold up a session's other doings, and gets
// its events in their order.
func TestEmitWaits(t *testing.T) {
	began, goOn := make(chan struct{}), make(chan struct{})
	var states []string
	l := run(t, always(policies.Decision{Action: policies.ActionLog}), func(c *Config) {
		emit := c.Emit
		c.Emit = func(e *event.Event) {
			if e.State == event.StateOpen {
				close(began)
				<-goOn
			}
			states = append(states, e.State)
			emit(e)
		}
	})
	k := l.open(event.ModeExplicit, netip.MustParseAddrPort("127.0.0.1:1"), netip.MustParseAddrPort("127.0.0.1:2"))
	told := make(chan struct{})
	go func() {
		defer close(told)
		_ = k.see(inspect.ClientToServer, []byte("CONNECT a.example:443 HTTP/1.1\r\n\r\n"))
	}()
	<-began
	if d := k.verdict(); d.Action != policies.ActionLog {
		t.Errorf("the decision is %+v", d)
	}
	if err := k.see(inspect.ServerToClient, []byte("HTTP/1.1 200 OK\r\n\r\n")); err != nil {
		t.Errorf("the other direction: %v", err)
	}
	k.end(event.EndStopped, nil)
	if err := k.see(inspect.ServerToClient, []byte("late")); err == nil {
		t.Error("it goes on behind its end")
	}
	close(goOn)
	<-told
	if want := []string{event.StateOpen, event.StateClosed}; !slices.Equal(states, want) {
		t.Errorf("told of as %v", states)
	}
}
