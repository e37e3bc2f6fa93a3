package httphead_test

import (
	"encoding/base64"
	"strings"
	"testing"

	"sstpwarden/inspect/httphead"
)

func TestParseBasic(t *testing.T) {
	// 48 bytes of credentials make 64 characters, behind which sstpc breaks the line.
	long := strings.Repeat("dXNl", 15) + "OnB3"
	for _, tt := range []struct {
		name, value, user, password string
		ok                          bool
	}{
		{"RFC 7617, Section 2", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "Aladdin", "open sesame", true},
		{"RFC 7617, Section 2.1", "Basic dGVzdDoxMjPCow==", "test", "123£", true},
		{"sstpc", "Basic dXNlcjpwdw==\n", "user", "pw", true},
		{"sstpc, broken line", "Basic " + long + "\nd29yZA==\n", strings.Repeat("use", 15), "pwword", true},
		{"sstpc, broken line cut off", "Basic " + long, strings.Repeat("use", 15), "pw", true},
		{"folded", "Basic  dXNl cjpw\tdw==", "user", "pw", true},
		{"no padding", "bASIC dXNlcjpwdw", "user", "pw", true},
		{"tab", " Basic\tdXNlcjpwdw==", "user", "pw", true},
		{"empty", "Basic Og==", "", "", true},
		{"empty name", "Basic OnB3", "", "pw", true},
		{"colon in the password", "Basic YTpiOmM=", "a", "b:c", true},
		{"no colon", "Basic dXNlcg==", "", "", false},
		{"no credentials", "Basic ", "", "", false},
		{"scheme alone", "Basic", "", "", false},
		{"scheme runs on", "BasicdXNlcjpwdw==", "", "", false},
		{"another scheme", "NTLM dXNlcjpwdw==", "", "", false},
		{"not base64", "Basic dXNl!jpwdw==", "", "", false},
		{"padding inside", "Basic dXNlcjpwdw==dXNl", "", "", false},
		{"one character too many", "Basic dXNlcjpwd", "", "", false},
		{"nothing", "", "", "", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			user, password, ok := httphead.ParseBasic(tt.value)
			if user != tt.user || password != tt.password || ok != tt.ok {
				t.Errorf("ParseBasic(%q) = %q, %q, %v", tt.value, user, password, ok)
			}
		})
	}
}

func FuzzParseBasic(f *testing.F) {
	f.Add("Basic dXNlcjpwdw==\n", "user", "pw")
	f.Add("basic dXNl\r\n cjpwdw", "", ":")
	f.Add("basic\t Og", "", ":")
	f.Fuzz(func(t *testing.T, value, user, password string) {
		if name, secret, ok := httphead.ParseBasic(value); strings.Contains(name, ":") || !ok && name+secret != "" {
			t.Fatalf("ParseBasic(%q) = %q, %q, %v", value, name, secret, ok)
		}
		if strings.Contains(user, ":") {
			return
		}
		value = "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
		if u, p, ok := httphead.ParseBasic(value); u != user || p != password || !ok {
			t.Fatalf("ParseBasic(%q) = %q, %q, %v", value, u, p, ok)
		}
	})
}
