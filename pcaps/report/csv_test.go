package report_test

import (
	"encoding/csv"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"sstpwarden/inspect"
	"sstpwarden/policies/event"
)

// table reads a CSV back: its names, and each row by name.
func table(t *testing.T, text string) (names []string, rows []map[string]string) {
	t.Helper()
	all, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range all[1:] {
		row := map[string]string{}
		for i, name := range all[0] {
			row[name] = line[i]
		}
		rows = append(rows, row)
	}
	return all[0], rows
}

func TestCSV(t *testing.T) {
	e, w := tunnel(), web()
	e.PPP.DNS = []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")}
	text := csvText(t, e, w)
	if !strings.HasPrefix(text, "timestamp,flow_id,") || strings.Count(text, "\r\n") != 3 || strings.Count(text, "\n") != 3 || !utf8.ValidString(text) {
		t.Errorf("not three lines that end in CR LF: %q", text)
	}
	_, rows := table(t, text)
	for name, want := range map[string][2]string{
		"timestamp":                  {"2026-11-22T12:00:00.000000Z", "2026-11-22T12:01:00.000000Z"},
		"flow_id":                    {"2804601116318361", "77"},
		"src_ip":                     {"10.9.0.2", "10.9.0.2"},
		"src_port":                   {"59612", "40000"},
		"duration":                   {"75.5", "75.5"},
		"bytes_toclient":             {"1234567", "1234567"},
		"midstream":                  {"", ""},
		"server_name":                {"vpn.example.test", "vpn.example.test"},
		"detection_verdict":          {"confirmed", "cleared"},
		"detection_kind":             {"tunnel", ""},
		"detection_score":            {"104", "-60"},
		"detection_probability":      {"1", "0"},
		"detection_evidence":         {"tls.no_alpn +4; http.sstp_duplex_post +40; sstp.control +60 proof", "tls.h2_chosen -60"},
		"decision_action":            {"drop", "allow"},
		"decision_enforced":          {"false", "false"},
		"sstp_crypto_binding":        {"matches", ""},
		"ppp_user":                   {"alice", ""},
		"ppp_client_ip":              {"192.168.30.10", ""},
		"ppp_dns":                    {"192.0.2.1; 2001:db8::1", ""},
		"other_decision_action":      {"", ""},
		"http_content_length":        {"", ""},
		"sstp_encapsulated_protocol": {"", ""},
	} {
		for i, w := range want {
			if got, ok := rows[i][name]; !ok || got != w {
				t.Errorf("row %d, %s: %q, want %q", i+1, name, got, w)
			}
		}
	}
}

func TestCSVOfNothing(t *testing.T) {
	names, rows := table(t, csvText(t))
	if len(rows) != 0 || len(names) < 100 {
		t.Errorf("%d names, %d rows", len(names), len(rows))
	}
}

func TestCSVIsInert(t *testing.T) {
	for name, text := range nasty {
		e, _ := filled(text)
		out := csvText(t, e)
		if strings.Count(out, "\n") != 2 || !utf8.ValidString(out) {
			t.Errorf("%s: not two lines of UTF-8", name)
		}
		_, rows := table(t, out)
		for column, got := range rows[0] {
			checkVisible(t, got)
			for i, part := range strings.Split(got, ";") {
				if i > 0 {
					part = strings.TrimLeft(part, ` "`)
				}
				if part != "" && strings.ContainsAny(part[:1], "=+-@\t\r") || strings.HasPrefix(part, "＝") {
					t.Errorf("%s: %s begins a formula: %q", name, column, got)
				}
			}
		}
	}
}

// Columns are named as the JSON is; what has none is listed here. Whoever adds
// a field to events adds a column at the end, or a name to this list.
func TestCSVHasAllFields(t *testing.T) {
	leftOut := map[string]string{
		"event_type": "always the same", "version": "always the same",
		"connect_host": "in connect_target", "connect_port": "in connect_target",
		"other_decision_enforced": "never", "other_decision_reset": "a detail", "other_decision_ban": "a detail",
		"other_decision_intercept": "a detail", "other_decision_probe": "a detail", "other_decision_dry_run": "a detail",
		"timeline": "a table of its own",
		"state":    "not of audits", "proxy_mode": "not of audits", "proxy_opened": "not of audits", "proxy_bypass": "not of audits",
		"proxy_remembered": "not of audits", "proxy_spliced": "not of audits", "proxy_end": "not of audits", "proxy_error": "not of audits",
	}
	names, _ := table(t, csvText(t))
	have := map[string]bool{}
	for _, n := range names {
		if have[n] {
			t.Errorf("%s twice", n)
		}
		have[n] = true
	}
	for _, leaf := range leaves(reflect.TypeFor[event.Event](), "") {
		_, out := leftOut[leaf]
		if have[leaf] == out {
			t.Errorf("%s: a column is %t, left out is %t", leaf, have[leaf], out)
		}
		delete(have, leaf)
	}
	for n := range have {
		t.Errorf("column %s is no field of an event", n)
	}
}

// leaves gives the names of what an event holds, as the JSON has them.
func leaves(of reflect.Type, path string) []string {
	switch of {
	case reflect.TypeFor[event.Time](), reflect.TypeFor[netip.Addr](), reflect.TypeFor[event.Header](), reflect.TypeFor[inspect.Verdict]():
		return []string{path}
	}
	switch of.Kind() {
	case reflect.Pointer:
		return leaves(of.Elem(), path)
	case reflect.Struct:
		var out []string
		for field := range of.Fields() {
			name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
			if path != "" {
				name = path + "_" + name
			}
			out = append(out, leaves(field.Type, name)...)
		}
		return out
	default:
		return []string{path}
	}
}

func TestCSVCells(t *testing.T) {
	for in, want := range map[string]string{
		"=1+1":         "'=1+1",
		"-2":           "'-2",
		"\t=1":         `\t=1`,
		"a=b":          "a=b",
		"a;=b":         "a;'=b",
		"a; =b;+c":     "a; '=b;'+c",
		`a;"=b"`:       `a;"'=b"`,
		"＋1":           "'＋1",
		"x\u202ey":     `x\u202ey`,
		"it's":         "it's",
		"two\r\nlines": `two\r\nlines`,
		"Zoë, München": "Zoë, München",
	} {
		e := tunnel()
		e.PPP.User = in
		_, rows := table(t, csvText(t, e))
		if diff := cmp.Diff(want, rows[0]["ppp_user"]); diff != "" {
			t.Errorf("%q: %s", in, diff)
		}
	}
}
