package report_test

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/html"

	"sstpwarden/inspect"
	"sstpwarden/pcaps/report"
	"sstpwarden/policies/event"
)

// void are the elements without an end.
var void = map[string]bool{"meta": true}

func TestHTMLIsWellFormed(t *testing.T) {
	full, sum := filled("text")
	for name, out := range map[string]string{
		"empty":    page(t, summaryOf()),
		"ordinary": page(t, summaryOf(tunnel(), web()), tunnel(), web()),
		"full":     page(t, sum, full),
	} {
		z := html.NewTokenizer(strings.NewReader(out))
		var open []string
		for {
			kind := z.Next()
			if kind == html.ErrorToken {
				break
			}
			tag, _ := z.TagName()
			switch kind {
			case html.StartTagToken:
				if !void[string(tag)] {
					open = append(open, string(tag))
				}
			case html.EndTagToken:
				if len(open) == 0 || open[len(open)-1] != string(tag) {
					t.Fatalf("%s: </%s> closes %v", name, tag, open)
				}
				open = open[:len(open)-1]
			default:
			}
		}
		if len(open) > 0 || !errors.Is(z.Err(), io.EOF) {
			t.Errorf("%s: %v stay open, %v", name, open, z.Err())
		}
		checkLinks(t, name, parsed(t, out))
	}
}

// checkLinks says whether every link leads somewhere, and names are unique.
func checkLinks(t *testing.T, name string, doc *html.Node) {
	t.Helper()
	ids := map[string]bool{}
	for _, n := range elements(doc, "") {
		if id := attr(n, "id"); id != "" {
			if ids[id] {
				t.Errorf("%s: id %s twice", name, id)
			}
			ids[id] = true
		}
	}
	for _, a := range elements(doc, "a") {
		if to := strings.TrimPrefix(attr(a, "href"), "#"); !ids[to] {
			t.Errorf("%s: link to %s leads nowhere", name, to)
		}
	}
	for _, table := range elements(doc, "table") {
		for _, row := range elements(table, "tr") {
			if n, want := len(elements(row, "td"))+len(elements(row, "th")), len(elements(elements(table, "thead")[0], "th")); n != want {
				t.Errorf("%s: %d cells under %d headings", name, n, want)
			}
		}
		for _, head := range elements(table, "th") {
			if attr(head, "scope") == "" {
				t.Errorf("%s: a heading without a scope", name)
			}
		}
	}
}

func TestHTMLTellsAll(t *testing.T) {
	e := tunnel()
	e.Connect = &event.Connect{Target: "vpn.example.test:443", Protocol: "HTTP/1.1", SSTPVersion: &event.Header{Name: "SSTPVERSION", Value: "1.0"}, Status: 200, Tunnel: true}
	length := uint64(1<<64 - 1)
	e.HTTP = &event.HTTP{Method: "SSTP_DUPLEX_POST", Target: "/sra_{BA195980-CD49-458b-9E23-C84EE0ADCD75}/", Protocol: "HTTP/1.1", ContentLength: &length, Headers: []string{"Host", "Content-Length"}}
	e.OtherDecision = &event.Decision{Action: "allow", Reason: "It is sanctioned.", Rule: "sstp.sanctioned", Ban: "10m0s"}
	s := summaryOf(e)
	s.Dropped = map[string]uint64{"flows_evicted": 12, "something_new": 3}
	s.Errors = []event.Error{{Source: "b.pcap", Error: "b.pcap: cut short"}}
	s.Destinations = []event.Destination{{Server: *e.Server, Tunnels: 1, Verdict: inspect.VerdictConfirmed, Score: 104, Bytes: 1243967, Clients: 1, Dropped: 1, First: e.Timestamp, Last: e.Timestamp}}
	s.Changes = []event.Change{{From: "drop", To: "allow", Flows: 1}, {From: "drop", To: "drop", Details: true, Flows: 1}}
	text := regexp.MustCompile(`\s+`).ReplaceAllString(textOf(elements(parsed(t, page(t, s, e)), "body")[0]), " ")
	for _, want := range []string{
		"sstpwarden 1.0.0 audit 2026-11-22 12:00:00 UTC",
		"SSTP found: 1 confirmed.", "The policy would drop it.", "would treat 2 connections otherwise.",
		"1 error: not everything", "b.pcapcut short",
		"Connections given up12the table of connections was full", "something new3",
		"1 connection to 1 server, 2026-11-22 12:00:00 to 12:01:15",
		"10.9.0.2:59612", "alice", "192.168.30.10", "vpn.example.test", "10.9.0.1:443", "1.2 MB (1,234,567) in 50 packets", "1m16s",
		"SSTP tunnel to vpn.example.test, read in clear and not sanctioned. rule sstp.confirmed, revision 56dfd49bf6cb",
		"Compared policy: allow. It is sanctioned.", "with ban for 10m0s",
		"SSTP was read in clear, which settles it: 1 proof. The weights come to 104, and 45 are enough to suspect.",
		"prior odds−401 to 10,000", "sstp.control+60 proofSSTP control messages of both sides", "odds after+642,500,000 to 1",
		"3.0 ms TLS ClientHello", "20.0 ms tls.control_lengths", "1.50 s IP up", "1m16s last packet",
		"Matches the certificate on the wire", "Hash sha256.",
		"call connected", "echo request, echo response, 2 times",
		"SSTPVERSION: 1.0", "SSTP_DUPLEX_POST /sra_{BA195980-CD49-458b-9E23-C84EE0ADCD75}/ HTTP/1.1", "2^64-1: the length that SSTP announces",
		"ms-chapv2: success", "1:MsPeVQo+eyu0aVzpzGW1e+CX7XA=", "2804601116318361", "captures/a.pcap",
		"ip.addr == 10.9.0.2 && tcp.port == 59612 && ip.addr == 10.9.0.1 && tcp.port == 443",
		"+10 makes SSTP ten times likelier", "cc46ce54526c",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q", want)
		}
	}
	if t.Failed() {
		t.Log(text)
	}
}

func TestHeadlines(t *testing.T) {
	suspect := tunnel()
	suspect.Detection.Verdict = inspect.VerdictSuspected
	passed := tunnel()
	passed.Decision = &event.Decision{Action: "log", Reason: "r", Rule: "r"}
	dropped := web()
	dropped.Decision = &event.Decision{Action: "drop", Reason: "r", Rule: "r"}
	for _, test := range []struct {
		name   string
		events []*event.Event
		want   []string
	}{
		{"nothing", nil, []string{"Nothing was inspected: no TCP connection was read."}},
		{"web", []*event.Event{web()}, []string{"No SSTP found.", "The policy would let all of it pass."}},
		{"dropped web", []*event.Event{dropped}, []string{"No SSTP found.", "The policy would drop 1 connection all the same."}},
		{"one", []*event.Event{tunnel()}, []string{"SSTP found: 1 confirmed.", "The policy would drop it."}},
		{"one passes", []*event.Event{passed}, []string{"SSTP found: 1 confirmed.", "The policy would let it pass."}},
		{"suspected", []*event.Event{suspect, web()}, []string{"SSTP found: 1 suspected.", "The policy would drop it."}},
		{"both", []*event.Event{suspect, tunnel()}, []string{"SSTP found: 1 confirmed, 1 suspected.", "The policy would drop all 2 of them."}},
		{"some pass", []*event.Event{tunnel(), passed, suspect, dropped}, []string{"SSTP found: 2 confirmed, 1 suspected.", "The policy would drop 2 of them and let 1 pass.", "It would also drop 1 other connection."}},
		{"all pass", []*event.Event{passed, passed}, []string{"SSTP found: 2 confirmed.", "The policy would let all 2 of them pass."}},
	} {
		doc := parsed(t, page(t, summaryOf(test.events...), test.events...))
		got := []string{textOf(elements(doc, "h1")[0])}
		for _, p := range elements(doc, "p") {
			if attr(p, "class") == "answer" {
				got = append(got, textOf(p))
			}
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
	}
}

func TestColumnsWithoutContentAreLeftOut(t *testing.T) {
	e := web()
	e.Detection.Client, e.Detection.Server = "", ""
	doc := parsed(t, page(t, summaryOf(e), e))
	var got []string
	for _, s := range elements(doc, "section") {
		if attr(s, "id") == "connections" {
			for _, h := range elements(elements(s, "thead")[0], "th") {
				got = append(got, textOf(h))
			}
		}
	}
	if diff := cmp.Diff([]string{"No.", "Verdict", "Policy", "Client", "Server", "Began", "Bytes", "Score", "File"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// many gives n events, the last of them the strongest.
func many(n int) []*event.Event {
	out := make([]*event.Event, n)
	for i := range out {
		e := web()
		if i >= n/2 {
			e = tunnel()
		}
		e.Detection.Score += i
		e.FlowID = uint64(i)
		e.Timestamp = event.NewTime(noon.Add(time.Duration(i) * time.Second))
		out[i] = e
	}
	return out
}

func TestHTMLIsBounded(t *testing.T) {
	const n = 3 * report.MaxListed
	events := many(n)
	out := page(t, summaryOf(events...), events...)
	if got := strings.Count(out, `<tr id="r`); got != report.MaxListed {
		t.Errorf("%d are listed", got)
	}
	if got := strings.Count(out, `<details class="connection"`); got != report.MaxDetailed {
		t.Errorf("%d are detailed", got)
	}
	if got := strings.Count(out, "<rect class="); got > 40*report.MaxDetailed {
		t.Errorf("%d bars", got)
	}
	for _, want := range []string{
		fmt.Sprintf(`<td data-l="Score" class="n">%d</td>`, events[n-1].Detection.Score), // the strongest
		"4,000 connections, the weakest, are counted above and not listed here. sstpwarden audit --format json gives one line for each.",
		"The 300 strongest cases are laid out here.",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %s", want)
		}
	}
	if len(out) > 8<<20 {
		t.Errorf("the page has %d bytes", len(out))
	}
}

func TestHTMLIsDeterministic(t *testing.T) {
	events := many(60)
	for i, e := range events {
		e.Server = &event.Server{Name: fmt.Sprintf("s%d.example.test", i%23), IP: e.DestIP, Port: 443}
		e.PPP = &event.PPP{User: fmt.Sprint("user", i%7)}
		e.TLS = &event.TLS{NotOpened: fmt.Sprint("reason ", i%5)}
	}
	s := summaryOf(events...)
	s.Dropped = map[string]uint64{"a": 1, "b": 2, "c": 3, "d": 4}
	want := page(t, s, events...)
	for range 10 {
		if got := page(t, s, events...); got != want {
			t.Fatal("the same events give another page")
		}
	}
}

type brokenWriter struct{}

var errBroken = errors.New("no space left")

func (brokenWriter) Write([]byte) (int, error) { return 0, errBroken }

func TestWriteErrors(t *testing.T) {
	h := report.NewHTML(brokenWriter{}, report.HTMLOptions{})
	if err := h.End(summaryOf()); !errors.Is(err, errBroken) {
		t.Errorf("HTML: %v", err)
	}
	c := report.NewCSV(brokenWriter{})
	if err := c.Event(tunnel()); !errors.Is(err, errBroken) {
		t.Errorf("CSV: %v", err)
	}
}

func TestHTMLWithoutOptions(t *testing.T) {
	var b strings.Builder
	h := report.NewHTML(&b, report.HTMLOptions{})
	if err := errors.Join(h.Event(tunnel()), h.Event(web()), h.End(summaryOf(tunnel(), web()))); err != nil {
		t.Fatal(err)
	}
	out := b.String()
	for _, bad := range []string{"prior odds", "enough to suspect", "<line x1=\"\"", "Rules<"} {
		if strings.Contains(out, bad) {
			t.Errorf("%q, which nobody told", bad)
		}
	}
	if want := "Undetermined and cleared connections are counted, and not listed"; !strings.Contains(out, want) {
		t.Errorf("no %q", want)
	}
}
