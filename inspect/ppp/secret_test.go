package ppp_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"sstpwarden/inspect/ppp"
)

// plain is what must not appear, in the forms in which the verbs of package fmt print a string or its octets.
var plain = []string{"hunter2", "68756e74657232", "68 75 6e", "0x68 0x75", "0x68, 0x75", "104 117 110", "150 165 156", "aHVudGVyMg"}

func TestSecretDoesNotPrint(t *testing.T) {
	request := ppp.PAPRequest{PeerID: "alice", Password: secret("hunter2")}
	values := map[string]any{
		"value":            request.Password,
		"pointer":          &request.Password,
		"field":            request,
		"pointer to field": &request,
		"message":          ppp.Message(request),
		"unexported field": struct{ m any }{request},
		"unexported value": struct{ s ppp.Secret }{request.Password},
		"slice":            []ppp.Secret{request.Password},
		"map":              map[string]ppp.Secret{"password": request.Password},
		"rejected": ppp.ProtocolReject{
			Protocol: ppp.ProtocolPAP, Rejected: secret("\x01\x01\x00\x12\x05alice\x07hunter2"),
		},
	}
	for name, v := range values {
		for verb := range strings.FieldsSeq("%v %+v %#v %s %q %x %X %d %o %b %c %U %t %10.3s %-20q %p") {
			got := fmt.Sprintf(verb, v)
			for _, p := range plain {
				if strings.Contains(strings.ToLower(got), strings.ToLower(p)) {
					t.Errorf("%s: Sprintf(%q) = %s, which contains %s", name, verb, got, p)
				}
			}
		}
	}
}

func TestSecretDoesNotEncode(t *testing.T) {
	request := ppp.PAPRequest{PeerID: "alice", Password: secret("hunter2")}
	b, err := json.Marshal(request)
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"Identifier":0,"PeerID":"alice","Password":"[redacted]"}`; string(b) != want {
		t.Errorf("json.Marshal = %s, want %s", b, want)
	}
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("request", "password", request.Password, "request", request)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("request", "password", request.Password, "request", request)
	if strings.Contains(log.String(), "hunter2") || !strings.Contains(log.String(), "password=[redacted]") {
		t.Errorf("slog wrote %s", &log)
	}
}

func TestSecret(t *testing.T) {
	s := secret("hunter2")
	if got := string(s.Reveal()); got != "hunter2" {
		t.Errorf("Reveal() = %q, want %q", got, "hunter2")
	}
	if got := s.String(); got != "[redacted]" {
		t.Errorf("String() = %q, want %q", got, "[redacted]")
	}
	var zero ppp.Secret
	if zero.Reveal() != nil {
		t.Errorf("zero Secret reveals %q, want nothing", zero.Reveal())
	}
	tests := []struct {
		a, b ppp.Secret
		want bool
	}{
		{s, secret("hunter2"), true},
		{s, secret("hunter3"), false},
		{s, secret("hunter"), false},
		{s, zero, false},
		{zero, secret(""), true},
	}
	for i, tt := range tests {
		if got := tt.a.Equal(tt.b); got != tt.want {
			t.Errorf("case %d: Equal = %v, want %v", i, got, tt.want)
		}
	}
}
