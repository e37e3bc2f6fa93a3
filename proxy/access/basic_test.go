package access_test

import (
	"encoding/base64"
	"strings"
	"testing"

	"sstpwarden/inspect/httphead"
	"sstpwarden/proxy/access"
)

func TestParseBasic(t *testing.T) {
	long := strings.Repeat("dXNl", 15) + "OnB3" // 64 characters, behind which sstpc breaks the line
	for _, tt := range []struct {
		name, value, user, password string
		ok                          bool
	}{
		{"RFC 7617, Section 2", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "Aladdin", "open sesame", true},
		{"RFC 7617, Section 2.1", "Basic dGVzdDoxMjPCow==", "test", "123£", true},
		{"sstpc", "Basic dXNlcjpwdw==\n", "user", "pw", true},
		{"sstpc, broken line", "Basic " + long + "\nd29yZA==\n", strings.Repeat("use", 15), "pwword", true},
		{"folded", " bASIC\tdXNl cjpw\tdw", "user", "pw", true},
		{"colon in the password", "Basic YTpiOmM=", "a", "b:c", true},
		{"empty", "Basic Og==", "", "", true},
		{"no colon", "Basic dXNlcg==", "", "", false},
		{"another scheme", "Bearer dXNlcjpwdw==", "", "", false},
		{"scheme runs on", "BasicdXNlcjpwdw==", "", "", false},
		{"not base64", "Basic dXNl!jpwdw==", "", "", false},
		{"nothing", "", "", "", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			user, password, ok := access.ParseBasic(tt.value)
			if user != tt.user || password != tt.password || ok != tt.ok {
				t.Errorf("ParseBasic(%q) = %q, %q, %v", tt.value, user, password, ok)
			}
		})
	}
}

// FuzzParseBasic wants the user that events tell of to be the one who logs in.
func FuzzParseBasic(f *testing.F) {
	f.Add("Basic dXNlcjpwdw==\n", "user", "pw")
	f.Add("basic\t Og", "", ":")
	f.Fuzz(func(t *testing.T, value, user, password string) {
		got, _, ok := access.ParseBasic(value)
		want, wantOK := httphead.BasicUser(value)
		if got != want || ok != wantOK {
			t.Errorf("%q: %q, %v; BasicUser has %q, %v", value, got, ok, want, wantOK)
		}
		if strings.Contains(user, ":") {
			return
		}
		value = "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
		if u, p, ok := access.ParseBasic(value); u != user || p != password || !ok {
			t.Errorf("%q: %q, %q, %v", value, u, p, ok)
		}
	})
}
