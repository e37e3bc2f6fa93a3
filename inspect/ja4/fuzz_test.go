package ja4_test

import (
	"regexp"
	"testing"

	"sstpwarden/inspect/ja4"
	"sstpwarden/inspect/tlswire"
)

// Whatever a client sends, what comes out has its form.
func FuzzFingerprints(f *testing.F) {
	for _, name := range []string{"sstpc_tls12", "chromium", "go126"} {
		f.Add(message(f, "client_hello_"+name))
	}
	form3 := regexp.MustCompile(`^\d+(,(\d+(-\d+)*)?){4}$`)
	form4 := regexp.MustCompile(`^t(1[0-3]|s3|00)[di]\d{4}[0-9A-Za-z]{2}_[0-9a-f]{12}_[0-9a-f]{12}$`)
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := tlswire.ParseClientHello(b)
		if err != nil {
			return
		}
		if s := ja4.JA3String(h); !form3.MatchString(s) {
			t.Error(s)
		}
		if s := ja4.JA4(h); !form4.MatchString(s) {
			t.Error(s)
		}
	})
}
