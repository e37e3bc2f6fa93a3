package tlskeys

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// opensslRecordings are connections of OpenSSL 3.0 with itself. The commands
// stand in the files.
var opensslRecordings = []struct {
	name           string
	client, server string // application data of the last connection
}{
	{"tls10_cbc_sha_etm", "hello\nmore\n", "answer\n"},
	{"tls10_cbc_sha_no_etm", "hello\nmore\n", "answer\n"},
	{"tls11_cbc_sha_etm", "hello\nmore\n", "answer\n"},
	{"tls11_rsa_ems", "hello\nmore\n", "answer\n"},
	{"tls12_cbc_sha_etm", "hello\nmore\n", "answer\n"},
	{"tls12_cbc_sha256_etm", "hello\nmore\n", "answer\n"},
	{"tls12_cbc_sha384_etm", "hello\nmore\n", "answer\n"},
	{"tls12_cbc_sha256_no_etm", "hello\nmore\n", "answer\n"},
	{"tls12_cbc_sha384_no_etm", "hello\nmore\n", "answer\n"},
	{"tls12_aes128_ccm", "hello\nmore\n", "answer\n"},
	{"tls12_aes256_ccm8", "hello\nmore\n", "answer\n"},
	{"tls12_renegotiation", "hello\nmore\n", "answer\nagain\n"},
	{"tls12_rsa_session_id", "hello\nmore\n", "answer\n"},
	{"tls12_rsa_ticket", "hello\nmore\n", "answer\n"},
	{"tls13_aes128_ccm", "hello\nmore\n", "answer\n"},
	{"tls13_aes128_ccm8", "hello\nmore\n", "answer\n"},
	{"tls13_aes256_gcm", "hello\nmore\n", "answer\n"},
	{"tls13_chacha20", "hello\nmore\n", "answer\n"},
	{"tls13_padding", "hello\nmore\n", "answer\n"},
	{"tls13_hello_retry", "hello\nmore\n", "answer\n"},
	{"tls13_key_update", "hello\none\ntwo\nthree\n", "answer\nagain\nlast\n"},
	{"tls13_early_data", "early\nhello\nmore\n", "answer\n"},
}

func TestOpenSSL(t *testing.T) {
	for _, tt := range opensslRecordings {
		t.Run(tt.name, func(t *testing.T) {
			rec := load(t, "openssl/"+tt.name+".txt")
			checkOpens(t, rec.keys(t), rec, tt.client, tt.server)
		})
	}
}

// checkOpens checks that every record of the connections opens. The
// application data is that of the last connection.
func checkOpens(t *testing.T, k *Keys, rec *recording, client, server string) {
	t.Helper()
	var got opened
	for i, records := range rec.connections {
		o := k.NewOpener()
		got = openAll(t, o, records)
		if len(got.Errors) > 0 || !o.Opened() || o.Reason() != "" {
			t.Fatalf("connection %d: errors %v, opened %v, reason %q", i, got.Errors, o.Opened(), o.Reason())
		}
		if !slices.Contains(got.Messages, "c finished") || !slices.Contains(got.Messages, "s finished") {
			t.Errorf("connection %d: messages %q, want finished from both sides", i, got.Messages)
		}
	}
	if diff := cmp.Diff([]string{client, server}, []string{got.Client, got.Server}); diff != "" {
		t.Errorf("application data (-want +got):\n%s", diff)
	}
}

// With the server's key alone everything opens that was exchanged with RSA,
// resumed sessions too.
func TestOpenSSLWithRSAKey(t *testing.T) {
	key, err := os.ReadFile("testdata/openssl/rsa.key")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"tls11_rsa_ems", "tls12_rsa_session_id", "tls12_rsa_ticket"} {
		t.Run(name, func(t *testing.T) {
			k := &Keys{}
			if err := k.AddRSAKey(key); err != nil {
				t.Fatal(err)
			}
			checkOpens(t, k, load(t, "openssl/"+name+".txt"), "hello\nmore\n", "answer\n")
		})
	}
}

// The "RSA" line alone does as well as the "CLIENT_RANDOM" line.
func TestOpenSSLWithPremaster(t *testing.T) {
	rec := load(t, "openssl/tls11_rsa_ems.txt")
	line, _, _ := strings.Cut(rec.keyLog, "\n")
	if !strings.HasPrefix(line, "RSA ") {
		t.Fatalf("key log begins with %q, want an RSA line", line)
	}
	rec.keyLog = line
	checkOpens(t, rec.keys(t), rec, "hello\nmore\n", "answer\n")
}

func TestOpenSSLMessages(t *testing.T) {
	tests := []struct {
		name string
		want []string // of the last connection
	}{
		{"tls13_key_update", []string{
			"c client_hello", "s server_hello", "s encrypted_extensions", "s certificate",
			"s certificate_verify", "s finished", "c finished", "s new_session_ticket",
			"c key_update", "c key_update", "s key_update", "s key_update", "c key_update",
		}},
		{"tls13_early_data", []string{
			"c client_hello", "s server_hello", "s encrypted_extensions", "s finished",
			"c end_of_early_data", "c finished", "s new_session_ticket",
		}},
		{"tls13_hello_retry", []string{
			"c client_hello", "s server_hello", "c client_hello", "s server_hello",
			"s encrypted_extensions", "s certificate", "s certificate_verify", "s finished",
			"c finished", "s new_session_ticket",
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			rec := load(t, "openssl/"+tt.name+".txt")
			got := openAll(t, rec.keys(t).NewOpener(), rec.connections[len(rec.connections)-1])
			if diff := cmp.Diff(tt.want, got.Messages); diff != "" {
				t.Errorf("messages (-want +got):\n%s", diff)
			}
		})
	}
}

// Early data whose secret is not known is passed over: here the server, which
// wrote the key log, refused it and asked for another ClientHello.
func TestOpenSSLUnknownEarlyData(t *testing.T) {
	for _, name := range []string{"tls13_early_data", "tls13_early_data_retry"} {
		t.Run(name, func(t *testing.T) {
			rec := load(t, "openssl/"+name+".txt")
			rec.keyLog = withoutLines(rec.keyLog, "CLIENT_EARLY_TRAFFIC_SECRET")
			o := rec.keys(t).NewOpener()
			got := openAll(t, o, rec.connections[1])
			for _, err := range got.Errors {
				var bad *RecordError
				if !errors.As(err, &bad) || !bad.FromClient {
					t.Errorf("error %v, want a RecordError of the client's", err)
				}
			}
			// EndOfEarlyData is sealed with the early secret too, where the
			// server takes the data.
			if n := len(got.Errors); n < 1 || n > 2 || !o.Opened() {
				t.Errorf("%d records not opened, opened %v", n, o.Opened())
			}
			if diff := cmp.Diff([]string{"hello\nmore\n", "answer\n"}, []string{got.Client, got.Server}); diff != "" {
				t.Errorf("application data (-want +got):\n%s", diff)
			}
		})
	}
}

// withoutLines removes the lines with a label from a key log.
func withoutLines(keyLog string, labels ...string) string {
	var kept []string
	for line := range strings.Lines(keyLog) {
		label, _, _ := strings.Cut(line, " ")
		if !slices.Contains(labels, label) {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "")
}

// In a renegotiation the client may offer TLS 1.3; what it sends until the
// ServerHello comes is still encrypted as before.
func TestOpenSSLRenegotiationOffersTLS13(t *testing.T) {
	rec := load(t, "openssl/tls12_renegotiation.txt")
	o := rec.keys(t).NewOpener()
	got := opened{}
	for _, r := range rec.connections[0] {
		one := openAll(t, o, []taken{r})
		got.Client += one.Client
		got.Server += one.Server
		got.Errors = append(got.Errors, one.Errors...)
		o.handshake.client.tls13 = true
	}
	if diff := cmp.Diff(opened{Client: "hello\nmore\n", Server: "answer\nagain\n"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestOpenSSLUnsupportedCipher(t *testing.T) {
	rec := load(t, "openssl/tls12_camellia.txt")
	o := rec.keys(t).NewOpener()
	got := openAll(t, o, rec.connections[0])
	for _, err := range got.Errors {
		if !errors.Is(err, ErrNoSecrets) {
			t.Errorf("error %v, want ErrNoSecrets", err)
		}
	}
	if want := "cipher Camellia-128-CBC is not supported"; o.Reason() != want || len(got.Errors) == 0 || o.Opened() {
		t.Errorf("reason %q, %d errors, opened %v; want %q", o.Reason(), len(got.Errors), o.Opened(), want)
	}
}
