package capfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// journal records packets and secrets in the order in which they come.
func journal(t *testing.T, file []byte) []string {
	t.Helper()
	var all []string
	r, err := NewReader(bytes.NewReader(file), "test", Options{OnSecrets: func(kind uint32, data []byte) {
		all = append(all, fmt.Sprintf("%x %s", kind, data))
	}})
	if err != nil {
		t.Fatal(err)
	}
	for {
		p, err := r.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, "packet "+string(p.Data))
	}
}

func TestSecrets(t *testing.T) {
	for _, test := range []struct {
		name string
		file []byte
		want []string
	}{
		{
			"before the first interface", join(section(little), secrets(little, SecretsTLSKeyLog, "keys"), describe(little, 1, 0), enhanced(little, 0, 0, 1, "a")),
			[]string{"544c534b keys", "packet a"},
		},
		{
			"between packets, padded", join(section(little), describe(little, 1, 0), enhanced(little, 0, 0, 1, "a"), secrets(little, SecretsTLSKeyLog, "keys\n"), enhanced(little, 0, 0, 1, "b")),
			[]string{"packet a", "544c534b keys\n", "packet b"},
		},
		{
			"after the last packet, of another kind, empty", join(section(little), describe(little, 1, 0), enhanced(little, 0, 0, 1, "a"), secrets(little, 0x57474b4c, "")),
			[]string{"packet a", "57474b4c "},
		},
		{
			"in every section, in its byte order", join(section(little), secrets(little, SecretsTLSKeyLog, "one"), section(big), secrets(big, SecretsTLSKeyLog, "two"),
				describe(big, 1, 0), enhanced(big, 0, 0, 1, "a"), section(little), secrets(little, SecretsTLSKeyLog, "three")),
			[]string{"544c534b one", "544c534b two", "packet a", "544c534b three"},
		},
		{
			"with options", join(section(little), block(little, blockDecryptionSecrets, words(little, SecretsTLSKeyLog, 4), []byte("keys"), option(little, 1, 'x'), option(little, 0))),
			[]string{"544c534b keys"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, journal(t, test.file)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestSecretsLarge has a block that is larger than what is held of any other, and
// data that outlives the reading of the next packets.
func TestSecretsLarge(t *testing.T) {
	log := strings.Repeat("CLIENT_RANDOM 00 00\n", 200_000)
	file := join(section(little), secrets(little, SecretsTLSKeyLog, log), secrets(little, SecretsTLSKeyLog, "last"), describe(little, 1, 0), enhanced(little, 0, 0, 1, "a"))
	var logs [][]byte
	packets, err := readAll(file, Options{OnSecrets: func(_ uint32, data []byte) { logs = append(logs, data) }})
	if err != nil || len(packets) != 1 {
		t.Fatalf("got %d packets and %v, want 1", len(packets), err)
	}
	if len(logs) != 2 || string(logs[0]) != log || string(logs[1]) != "last" {
		t.Errorf("got %d logs, want 2 that are unchanged", len(logs))
	}

	packets, err = readAll(file, Options{})
	if err != nil || len(packets) != 1 {
		t.Errorf("without OnSecrets: got %d packets and %v, want 1", len(packets), err)
	}
}

// TestSecretsBound has more secrets than MaxSecrets, in blocks that each are below.
func TestSecretsBound(t *testing.T) {
	one := secrets(little, SecretsTLSKeyLog, strings.Repeat("x", 8<<20))
	file := []io.Reader{bytes.NewReader(section(little))}
	for range 9 {
		file = append(file, bytes.NewReader(one))
	}
	n := 0
	_, err := readFrom(io.MultiReader(file...), Options{OnSecrets: func(_ uint32, data []byte) { n += len(data) }})
	want := "test: a decryption secrets block at offset 58720424, of 8388628 bytes, brings the file's secrets to more than 67108864: the file is damaged from here on; no packet comes before it"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if n > MaxSecrets {
		t.Errorf("%d bytes of secrets were handed on, more than MaxSecrets", n)
	}
}
