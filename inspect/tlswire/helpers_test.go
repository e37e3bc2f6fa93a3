package tlswire_test

import (
	"encoding/hex"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sstpwarden/inspect/tlswire"
)

// message returns the body of a handshake message in testdata, taken from
// captures of real programs.
func message(t testing.TB, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name+".hex"))
	if err != nil {
		t.Fatal(err)
	}
	return unhex(t, strings.Join(strings.Fields(string(text)), ""))
}

// unhex returns the bytes that the groups stand for.
func unhex(t testing.TB, groups ...string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(strings.Join(groups, ""), " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// suite returns a suite that must be known.
func suite(t testing.TB, id tlswire.CipherSuite) tlswire.Suite {
	t.Helper()
	s, ok := tlswire.SuiteByID(id)
	if !ok {
		t.Fatalf("suite %#04x is not known", uint16(id))
	}
	return s
}

// isEOF says whether err is io.ErrUnexpectedEOF itself, not something around
// it: parsing may be asked for often, and its callers need not unwrap.
func isEOF(err error) bool { return any(err) == any(io.ErrUnexpectedEOF) }
