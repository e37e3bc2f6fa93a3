package bypass_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"sstpwarden/proxy/bypass"
)

// call serves a request and gives the status and the body.
func call(t *testing.T, l *bypass.List, method, path, body string, header ...string) (int, string) {
	t.Helper()
	r := httptest.NewRequest(method, "http://127.0.0.1:9180"+path, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/json; charset=utf-8")
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	l.Handler().ServeHTTP(w, r)
	text, err := io.ReadAll(w.Result().Body)
	if err != nil {
		t.Fatal(err)
	}
	if len(text) > 0 && strings.HasPrefix(string(text), "{") && w.Header().Get("Content-Type") != "application/json" {
		t.Errorf("%s %s: Content-Type %s", method, path, w.Header().Get("Content-Type"))
	}
	return w.Code, strings.TrimSuffix(string(text), "\n")
}

func TestHandler(t *testing.T) {
	c := newClock()
	l := newList(t, bypass.Options{Now: c.Now, Rejections: 1})
	step := func(method, path, body string, status int, want string) string {
		t.Helper()
		code, text := call(t, l, method, path, body)
		if code != status || text != want && !strings.HasPrefix(want, "*") || strings.HasPrefix(want, "*") && !strings.Contains(text, want[1:]) {
			t.Errorf("%s %s %s: %d %s\nwant %d %s", method, path, body, code, text, status, want)
		}
		return text
	}
	step("GET", "/bypass", "", 200, "[]")
	added := step("POST", "/bypass", `{"name": "*.Bank.example", "address": "192.0.2.0/24", "port": 443, "client": "10.0.0.7", "user": "eve", "reason": "pinned", "expires": "2024-05-07T00:00:00Z"}`, 201,
		`{"id":"bba0be1f199bba5b","kind":"added","name":"*.bank.example","address":"192.0.2.0/24","port":443,"client":"10.0.0.7/32","user":"eve","reason":"pinned","created":"2024-05-06T07:08:09Z","expires":"2024-05-07T00:00:00Z","uses":0}`)
	step("GET", "/bypass", "", 200, "["+added+"]")
	l.Tunnel(addr("10.0.0.1"), at("192.0.2.1:443"), "", "r1")
	l.Rejected(addr("10.0.0.1"), "app.example", at("192.0.2.1:443"))
	if err := l.Configure([]bypass.Entry{{Name: "configured.example"}}); err != nil {
		t.Fatal(err)
	}
	var all []bypass.Entry
	if err := json.Unmarshal([]byte(step("GET", "/bypass", "", 200, "*tunnel")), &all); err != nil || len(all) != 4 {
		t.Fatalf("%v, %v", all, err)
	}
	step("GET", "/bypass?kind=added", "", 200, "["+added+"]")
	step("GET", "/bypass?kind=tunnel&kind=rejected", "", 200, `*"kind":"rejected"`)
	step("GET", "/bypass?kind=odd", "", 400, `{"error":"\"odd\" is no kind of entry: want configured, added, tunnel or rejected"}`)

	step("DELETE", "/bypass/"+all[1].ID, "", 204, "")
	step("DELETE", "/bypass/"+all[1].ID, "", 404, fmt.Sprintf(`{"error":"there is no entry \"%s\""}`, all[1].ID))
	step("DELETE", "/bypass/"+all[0].ID, "", 409, `{"error":"configured entries are in the configuration: take them out there, and have it loaded again"}`)
	step("DELETE", "/bypass?kind=configured", "", 409, "*configured entries")
	step("DELETE", "/bypass", "", 400, "*which kind?")
	step("DELETE", "/bypass?kind=x", "", 400, "*no kind")
	step("DELETE", "/bypass?kind=tunnel&kind=rejected", "", 200, `{"removed":2}`)
	step("DELETE", "/bypass?kind=tunnel", "", 200, `{"removed":0}`)
	step("PUT", "/bypass", "{}", 405, "*Method Not Allowed")
	step("GET", "/bypass/x", "", 405, "*Method Not Allowed")
	if n := len(l.Entries()); n != 1 {
		t.Errorf("%d entries", n)
	}
}

func TestHandlerRefuses(t *testing.T) {
	l := newList(t, bypass.Options{Max: 1})
	for body, want := range map[string]string{
		`{}`:                                 "it would exempt everything",
		`{"name": "a.example", "kind": "x"}`: `reading the entry: json: unknown field`,
		`{"name": "a.example"} {}`:           "reading the entry: there is more behind it",
		`{"name": "a.example"`:               "reading the entry: unexpected EOF",
		`[]`:                                 "reading the entry: json: cannot unmarshal array",
		`{"name": 1}`:                        "cannot unmarshal number",
		`{"name": "192.0.2.1"}`:              "192.0.2.1 is an address",
		`{"address": "lan"}`:                 `address: \"lan\" is no address and no prefix`,
		`{"client": "10.0.0.1/8"}`:           "client: 10.0.0.1/8 has bits set beyond its prefix",
		`{"name": "a.example", "port": -1}`:  "cannot unmarshal number -1",
		`{"name": "a.example", "expires": "2001-02-03T04:05:06Z"}`:      "it would have expired at 2001-02-03T04:05:06Z",
		`{"name": "a.example", "expires": "tomorrow"}`:                  "cannot parse",
		`{"name": "` + strings.Repeat("a", 65<<10) + `"}`:               "request body too large",
		`{"user": "` + strings.Repeat("a", 501) + `"}`:                  "too long",
		`{"name": "a.example", "reason": "` + `\u0007` + `"}`:           "control characters",
		`{"name": "a.example", "address": "fe80::1%eth0"}`:              "names an interface",
		`{"name": "a.example", "client": "::ffff:10.0.0.1", "port": 1}`: "IPv4 written as IPv6",
	} {
		if code, text := call(t, l, "POST", "/bypass", body); code != http.StatusBadRequest || !strings.Contains(text, want) {
			t.Errorf("%.80s: %d %s\nwant %s", body, code, text, want)
		}
	}
	if code, text := call(t, l, "POST", "/bypass", `{"user": "eve"}`, "Content-Type", "text/plain"); code != http.StatusUnsupportedMediaType {
		t.Error(code, text)
	}
	for _, header := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Origin", "https://elsewhere.example"}} {
		for _, method := range []string{"POST", "DELETE"} {
			if code, text := call(t, l, method, "/bypass?kind=tunnel", `{"user": "eve"}`, header...); code != http.StatusForbidden {
				t.Error(code, text)
			}
		}
	}
	if n := len(l.Entries()); n != 0 {
		t.Errorf("%d entries", n)
	}
	for i, want := range []int{http.StatusCreated, http.StatusConflict} {
		if code, text := call(t, l, "POST", "/bypass", fmt.Sprintf(`{"user": "u%d"}`, i)); code != want {
			t.Error(code, text)
		}
	}
}

// FuzzHandler wants what is taken to be found again.
func FuzzHandler(f *testing.F) {
	f.Add(`{"name": "*.example", "port": 443}`)
	f.Add(`{"address": "192.0.2.1", "client": "10.0.0.0/8", "expires": "2124-05-06T07:08:09Z"}`)
	f.Add(`{"user": "eve"}{}`)
	f.Fuzz(func(t *testing.T, body string) {
		l := bypass.New(bypass.Options{Now: func() time.Time { return newClock().Now() }})
		code, text := call(t, l, "POST", "/bypass", body, "Content-Type", "application/json")
		list := l.Entries()
		if code != http.StatusCreated {
			if len(list) != 0 {
				t.Errorf("%d, and %+v", code, list)
			}
			return
		}
		var e bypass.Entry
		if err := json.Unmarshal([]byte(text), &e); err != nil || len(list) != 1 || list[0].ID != e.ID {
			t.Errorf("%s, %+v", text, list)
		}
		if code, _ := call(t, l, "DELETE", "/bypass/"+e.ID, ""); code != http.StatusNoContent {
			t.Errorf("%s is not removed: %d", e.ID, code)
		}
	})
}
