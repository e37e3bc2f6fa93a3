package tlskeys

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"sstpwarden/inspect/tlswire"

	"github.com/google/go-cmp/cmp"
)

// without returns the records but those with the indexes.
func without(records []taken, indexes ...int) []taken {
	var kept []taken
	for i, r := range records {
		if !slices.Contains(indexes, i) {
			kept = append(kept, r)
		}
	}
	return kept
}

func TestOpenerReasons(t *testing.T) {
	const (
		tls12 = "tls12_aes128_ccm"
		tls13 = "tls13_key_update"
	)
	tests := []struct {
		name    string
		file    string
		unknown []string // labels whose lines are left out of the key log
		lost    []int    // indexes of the records left out
		want    string   // in the reason
	}{
		{name: "tls 1.2 no secrets", file: tls12, unknown: []string{"CLIENT_RANDOM"}, want: "no secrets for client random "},
		{name: "tls 1.2 no ClientHello", file: tls12, lost: []int{0}, want: "the ClientHello was not captured"},
		{name: "tls 1.2 no ServerHello", file: tls12, lost: []int{1}, want: "the ServerHello was not captured"},
		{name: "tls 1.2 client's side without ServerHello", file: tls12, lost: []int{1, 2, 3, 4, 8, 9, 10, 12, 15}, want: "the ServerHello was not captured"},
		{name: "tls 1.2 no hellos", file: tls12, lost: []int{0, 1}, want: "the handshake was not captured"},
		{name: "tls 1.2 from application data on", file: tls12, lost: []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, want: "the handshake was not captured"},
		{name: "tls 1.2 alerts only", file: tls12, lost: []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13}, want: "the handshake was not captured"},
		{
			name: "tls 1.3 no secrets", file: tls13, want: "no secrets for client random ",
			unknown: []string{"CLIENT_HANDSHAKE_TRAFFIC_SECRET", "SERVER_HANDSHAKE_TRAFFIC_SECRET", "CLIENT_TRAFFIC_SECRET_0", "SERVER_TRAFFIC_SECRET_0"},
		},
		{
			name: "tls 1.3 no client secrets", file: tls13, want: "no CLIENT_TRAFFIC_SECRET_0 of use for client random ",
			unknown: []string{"CLIENT_HANDSHAKE_TRAFFIC_SECRET", "CLIENT_TRAFFIC_SECRET_0"},
		},
		{
			name: "tls 1.3 no application secret", file: tls13, want: "no SERVER_TRAFFIC_SECRET_0 of use for client random ",
			unknown: []string{"SERVER_TRAFFIC_SECRET_0"},
		},
		{name: "tls 1.3 no hellos", file: tls13, lost: []int{0, 1}, want: "the handshake was not captured"},
		{name: "rsa no key", file: "tls11_rsa_ems", unknown: []string{"RSA", "CLIENT_RANDOM"}, want: "no secrets for client random "},
		{name: "rsa no key exchange", file: "tls11_rsa_ems", unknown: []string{"CLIENT_RANDOM"}, lost: []int{4}, want: "the key exchange was not captured"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			rec := load(t, "openssl/"+tt.file+".txt")
			rec.keyLog = withoutLines(rec.keyLog, tt.unknown...)
			o := rec.keys(t).NewOpener()
			got := openAll(t, o, without(rec.connections[0], tt.lost...))
			if !strings.Contains(o.Reason(), tt.want) {
				t.Errorf("reason %q, want %q", o.Reason(), tt.want)
			}
			for _, err := range got.Errors {
				if !errors.Is(err, ErrNoSecrets) {
					t.Errorf("error %v, want ErrNoSecrets", err)
				}
			}
			if len(got.Errors) == 0 {
				t.Error("all records opened")
			}
		})
	}
}

// What the handshake says is known otherwise too: the loss of any one of
// these records costs that record alone, or the next.
func TestOpenerLostHandshake(t *testing.T) {
	tests := []struct {
		name           string
		file           string
		unknown        []string
		lost           []int
		client, server string
		errs           int
	}{
		{"change_cipher_spec", "tls12_aes128_ccm", nil, []int{6, 9}, "hello\nmore\n", "answer\n", 2},
		{"change_cipher_spec and Finished", "tls12_aes128_ccm", nil, []int{6, 7, 9, 10}, "hello\nmore\n", "answer\n", 0},
		// OpenSSL sends an empty record first, so it is that which is lost.
		{"change_cipher_spec, implicit IV", "tls10_cbc_sha_no_etm", nil, []int{6, 7}, "hello\nmore\n", "answer\n", 1},
		{"client Finished", "tls13_key_update", nil, []int{8}, "hello\none\ntwo\nthree\n", "answer\nagain\nlast\n", 0},
		{"server flight", "tls13_key_update", nil, []int{3, 4, 5, 6}, "hello\none\ntwo\nthree\n", "answer\nagain\nlast\n", 0},
		{"ServerHello", "tls13_key_update", nil, []int{1}, "hello\none\ntwo\nthree\n", "answer\nagain\nlast\n", 0},
		{"key updates", "tls13_key_update", nil, []int{11, 14}, "hello\none\ntwo\nthree\n", "answer\nagain\nlast\n", 0},
		{"end of early data", "tls13_early_data", nil, []int{7}, "early\nhello\nmore\n", "answer\n", 0},
		{
			"handshake secrets", "tls13_key_update",
			[]string{"CLIENT_HANDSHAKE_TRAFFIC_SECRET", "SERVER_HANDSHAKE_TRAFFIC_SECRET"},
			nil,
			"hello\none\ntwo\nthree\n", "answer\nagain\nlast\n", 5,
		},
		{
			"client handshake secret after early data", "tls13_early_data",
			[]string{"CLIENT_HANDSHAKE_TRAFFIC_SECRET"},
			nil,
			"early\nhello\nmore\n", "answer\n", 1,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			rec := load(t, "openssl/"+tt.file+".txt")
			rec.keyLog = withoutLines(rec.keyLog, tt.unknown...)
			o := rec.keys(t).NewOpener()
			got := openAll(t, o, without(rec.connections[len(rec.connections)-1], tt.lost...))
			if diff := cmp.Diff([]string{tt.client, tt.server}, []string{got.Client, got.Server}); diff != "" {
				t.Errorf("application data (-want +got):\n%s", diff)
			}
			if len(got.Errors) != tt.errs || !o.Opened() || o.Reason() != "" {
				t.Errorf("errors %v, want %d; opened %v, reason %q", got.Errors, tt.errs, o.Opened(), o.Reason())
			}
		})
	}
}

// Any one record may be altered, and only it does not open; in TLS 1.0 the
// next one needs its last block too.
func TestOpenerAltered(t *testing.T) {
	for _, tt := range opensslRecordings {
		t.Run(tt.name, func(t *testing.T) {
			rec := load(t, "openssl/"+tt.name+".txt")
			rec.connections = rec.connections[:1]
			k := rec.keys(t)
			whole := openAll(t, k.NewOpener(), rec.connections[0])
			for i, r := range rec.connections[0] {
				if r.Type != tlswire.ContentApplicationData {
					continue
				}
				records := slices.Clone(rec.connections[0])
				records[i].Fragment = slices.Clone(r.Fragment)
				records[i].Fragment[0] ^= 0x40
				got := openAll(t, k.NewOpener(), records)
				most := 1
				if strings.HasPrefix(tt.name, "tls10_cbc") {
					most = 2
				}
				var bad *RecordError
				if n := len(got.Errors); n == 0 || n > most || !errors.As(got.Errors[0], &bad) {
					t.Fatalf("record %d: errors %v, want 1 to %d", i, got.Errors, most)
				}
				if bad.FromClient != r.client || bad.Type != r.Type {
					t.Errorf("record %d: error %+v", i, bad)
				}
				if n, want := len(got.Client+got.Server), len(whole.Client+whole.Server); n > want {
					t.Errorf("record %d: %d bytes, more than the %d sent", i, n, want)
				}
			}
		})
	}
}

func TestOpenerWrongSecrets(t *testing.T) {
	for _, name := range []string{"tls12_cbc_sha_etm", "tls12_cbc_sha256_no_etm", "tls12_aes256_ccm8", "tls13_aes256_gcm"} {
		t.Run(name, func(t *testing.T) {
			rec := load(t, "openssl/"+name+".txt")
			// The last digit of every secret.
			var lines []string
			for line := range strings.Lines(rec.keyLog) {
				line = strings.TrimSpace(line)
				lines = append(lines, line[:len(line)-1]+string("10"[line[len(line)-1]&1]))
			}
			rec.keyLog = strings.Join(lines, "\n")
			o := rec.keys(t).NewOpener()
			got := openAll(t, o, rec.connections[0])
			for _, err := range got.Errors {
				if _, ok := errors.AsType[*RecordError](err); !ok {
					t.Errorf("error %v, want a RecordError", err)
				}
			}
			if got.Client+got.Server != "" || len(got.Errors) == 0 || o.Opened() {
				t.Errorf("opened %+v", got)
			}
			if !strings.Contains(o.Reason(), "the secrets are not its own") {
				t.Errorf("reason %q", o.Reason())
			}
		})
	}
}

// A decryption secrets block may come in the middle of the capture.
func TestOpenerSecretsComeLate(t *testing.T) {
	for _, tt := range []struct {
		name  string
		first int // the first encrypted record
	}{{"tls12_aes128_ccm", 6}, {"tls13_aes256_gcm", 3}} {
		t.Run(tt.name, func(t *testing.T) {
			rec := load(t, "openssl/"+tt.name+".txt")
			k := &Keys{}
			o := k.NewOpener()
			records := rec.connections[0]
			got := openAll(t, o, records[:tt.first])
			if _, err := k.AddKeyLog(strings.NewReader(rec.keyLog)); err != nil {
				t.Fatal(err)
			}
			rest := openAll(t, o, records[tt.first:])
			if len(got.Errors)+len(rest.Errors) > 0 {
				t.Errorf("errors %v %v", got.Errors, rest.Errors)
			}
			if diff := cmp.Diff([]string{"hello\nmore\n", "answer\n"}, []string{rest.Client, rest.Server}); diff != "" {
				t.Errorf("application data (-want +got):\n%s", diff)
			}
		})
	}
}

func TestOpenerRSAKeyDoesNotMatch(t *testing.T) {
	tests := []struct{ file, want string }{
		{"tls11_rsa_ems", "the server key does not match"},
		{"tls12_cbc_sha_etm", "an RSA key cannot open the key exchange ECDHE_ECDSA"},
	}
	for _, tt := range tests {
		t.Run(tt.file, func(t *testing.T) {
			k := otherRSAKey(t)
			o := k.NewOpener()
			got := openAll(t, o, load(t, "openssl/"+tt.file+".txt").connections[0])
			if len(got.Errors) == 0 || !strings.Contains(o.Reason(), tt.want) {
				t.Errorf("%d errors, reason %q, want %q", len(got.Errors), o.Reason(), tt.want)
			}
		})
	}
}

func TestRecordErrorText(t *testing.T) {
	err := &RecordError{Type: tlswire.ContentApplicationData, Sequence: 7, Err: ErrLost}
	if want := "tlskeys: server's application_data record 7: record was not captured whole"; err.Error() != want {
		t.Errorf("error %q, want %q", err, want)
	}
	if !errors.Is(err, ErrLost) {
		t.Error("it does not wrap its cause")
	}
}
