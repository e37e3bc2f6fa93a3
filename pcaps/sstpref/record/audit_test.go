package record_test

import (
	"context"
	"crypto/tls"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"sstpwarden/inspect"
	"sstpwarden/inspect/sstp"
	"sstpwarden/pcaps"
	"sstpwarden/policies"
	"sstpwarden/policies/event"
	"sstpwarden/policies/opa"
	"sstpwarden/rules"
)

// TestAudit: an audit opens a recorded session with the secrets that stand in the
// capture, and reads SSTP in it.
func TestAudit(t *testing.T) {
	const (
		request  = "SSTP_DUPLEX_POST /sra_{BA195980-CD49-458b-9E23-C84EE0ADCD75}/ HTTP/1.1\r\nHost: vpn.example\r\nContent-Length: 18446744073709551615\r\nSSTPCORRELATIONID: {8A1A6BD2-5E5B-4A4B-9D5A-0F0A6E1D2C3B}\r\n\r\n"
		response = "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551615\r\nServer: Microsoft-HTTPAPI/2.0\r\n\r\n"
	)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		capture, f := begin(t)
		near, far := inMemory(nil, nil)(t)
		c, s := handshake(t, version, capture.Conn(near, false), far, capture.KeyLog(), nil)
		for i, text := range []string{
			request, response,
			string(sstp.AppendMessage(nil, sstp.CallConnectRequest{EncapsulatedProtocolID: sstp.EncapsulatedProtocolPPP})),
			string(sstp.AppendMessage(nil, sstp.CallConnectAck{})),
		} {
			from, to := c, s
			if i%2 == 1 {
				from, to = s, c
			}
			var wg sync.WaitGroup
			wg.Go(func() { io.WriteString(from, text) })
			if _, err := io.ReadFull(to, make([]byte, len(text))); err != nil {
				t.Fatal(err)
			}
			wg.Wait()
		}
		c.NetConn().Close()
		path := filepath.Join(t.TempDir(), "capture.pcapng")
		if err := os.WriteFile(path, finish(t, capture, f), 0o600); err != nil {
			t.Fatal(err)
		}
		events := audit(t, path)
		if len(events) != 1 {
			t.Fatalf("%d events", len(events))
		}
		e := events[0]
		if e.Detection.Verdict != inspect.VerdictConfirmed || !slices.ContainsFunc(e.Detection.Evidence, func(e inspect.Evidence) bool { return e.Rule == "sstp.control" }) || e.SrcIP.String() != "192.0.2.1" || e.DestPort != 443 {
			t.Errorf("%+v\n%+v", e.Detection, e.SSTP)
		}
	}
}

// audit gives what an audit says of a capture.
func audit(t *testing.T, path string) (events []event.Event) {
	t.Helper()
	decider, err := opa.New(t.Context(), policies.Default, nil)
	if err != nil {
		t.Fatal(err)
	}
	inputs, err := pcaps.Inputs([]string{path})
	if err != nil {
		t.Fatal(err)
	}
	s, err := pcaps.Run(context.WithoutCancel(t.Context()), inputs, pcaps.Config{
		Rules: rules.Default(), Gate: &policies.Gate{Decider: decider, Point: policies.PointAudit}, All: true,
		Emit: func(e *event.Event) error { events = append(events, *e); return nil },
	})
	if err != nil || len(s.Errors) > 0 {
		t.Errorf("%v, %v", err, s.Errors)
	}
	return events
}
