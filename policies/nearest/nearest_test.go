package nearest_test

import (
	"strings"
	"testing"

	"sstpwarden/policies/nearest"
)

func TestWord(t *testing.T) {
	known := []string{"listen", "dry-run", "per_client", "none", "timeout", "tls"}
	for word, want := range map[string]string{
		"lisen": "listen", "listne": "listen", "LISTEN": "listen", "dry_run": "dry-run", "dryrun": "dry-run", "per client": "per_client",
		"time": "timeout", "tim": "timeout", "ti": "", "non": "none", "tsl": "", "tl": "tls", "": "", "colour": "", strings.Repeat("a", 1<<20): "",
	} {
		if got := nearest.Word(word, known); got != want {
			t.Errorf("%.20q: %q, want %q", word, got, want)
		}
	}
}
