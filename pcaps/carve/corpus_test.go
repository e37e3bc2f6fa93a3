package carve_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sstpwarden/inspect/tcpflow"
	"sstpwarden/inspect/tlskeys"
	"sstpwarden/pcaps/carve"
)

// TestCorpus carves every connection of the corpus and audits it alone: all
// that is said of it must be said again, without the key log too.
func TestCorpus(t *testing.T) {
	captures, err := filepath.Glob("../testdata/*/*.pcap")
	if err != nil || len(captures) < 60 {
		t.Fatalf("%d captures found: %v", len(captures), err)
	}
	for _, capture := range captures {
		t.Run(strings.TrimSuffix(filepath.Base(capture), ".pcap"), func(t *testing.T) {
			carveAndAudit(t, capture, nil)
			if keys := keyLog(t, strings.TrimSuffix(capture, ".pcap")+".keys"); keys != nil {
				carveAndAudit(t, capture, keys)
			}
		})
	}
}

func carveAndAudit(t *testing.T, capture string, keys *tlskeys.Keys) {
	t.Helper()
	all := audit(t, capture, keys, tcpflow.Config{})
	whole := packets(t, capture)
	for i, file := range carveAll(t, capture, all, carve.Options{}) {
		was := all[i]
		alone := audit(t, file.Path, nil, tcpflow.Config{})
		if len(alone) != 1 {
			t.Fatalf("%s holds %d connections", file.Path, len(alone))
		}
		now := alone[0].event
		if now.TLS != nil && was.event.TLS != nil && !was.event.TLS.Opened {
			now.TLS.NotOpened, was.event.TLS.NotOpened = "", "" // which keys were given is told there
		}
		if diff := cmp.Diff(was.event, now, cmp.Comparer(sameAddr)); diff != "" {
			t.Errorf("(-in the capture +alone):\n%s", diff)
		}
		carved := packets(t, file.Path)
		if n := was.event.PktsToServer + was.event.PktsToClient; uint64(len(carved)) != n || file.Packets != n {
			t.Errorf("%s holds %d packets, said to be %d, and %d were counted", file.Path, len(carved), file.Packets, n)
		}
		if !isPart(carved, whole) {
			t.Errorf("%s: packets differ from the capture's", file.Path)
		}
	}
}

// isPart says that all packets stand in the whole, in that order.
func isPart(part, whole []packet) bool {
	for _, p := range part {
		i := slices.Index(whole, p)
		if i < 0 {
			return false
		}
		whole = whole[i+1:]
	}
	return true
}

// TestCorpusNeverShares wants the secrets of one connection in its file, and
// those of no other.
func TestCorpusNeverShares(t *testing.T) {
	capture := "../testdata/positive/se-tls13-killed.pcap"
	text, err := os.ReadFile("../testdata/positive/se-tls13-killed.keys")
	if err != nil {
		t.Fatal(err)
	}
	others, err := os.ReadFile("../testdata/demo.keys")
	if err != nil {
		t.Fatal(err)
	}
	keys := &tlskeys.Keys{}
	for _, log := range [][]byte{others, text} {
		if _, err := keys.AddKeyLog(strings.NewReader(string(log))); err != nil {
			t.Fatal(err)
		}
	}
	all := audit(t, capture, keys, tcpflow.Config{})
	if len(all) != 1 {
		t.Fatalf("%d connections", len(all))
	}
	lines := strings.Fields(string(all[0].tunnel.Secrets))
	if len(lines) == 0 || len(lines)%3 != 0 {
		t.Fatalf("%q", all[0].tunnel.Secrets)
	}
	for i := 0; i < len(lines); i += 3 {
		if lines[i+1] != lines[1] || !strings.Contains(string(text), strings.Join(lines[i:i+3], " ")) {
			t.Errorf("%q is not of this connection", lines[i:i+3])
		}
	}
}
