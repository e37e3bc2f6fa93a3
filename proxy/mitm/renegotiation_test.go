package mitm

import (
	"bufio"
	"crypto/x509"
	"encoding/pem"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A server may ask for another handshake, and for the client's certificate in it,
// without insisting on one.
func TestRenegotiation(t *testing.T) {
	need(t, "openssl")
	p := testPKI()
	leaf := sign(server(host, host), p.root, ecKey())
	key, err := x509.MarshalPKCS8PrivateKey(leaf.key)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "server.pem")
	pair := append(EncodePEM(leaf.cert), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})...)
	if err := os.WriteFile(file, pair, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "openssl", "s_server", "-accept", "127.0.0.1:0", "-naccept", "1", "-tls1_2", "-cert", file)
	says, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	told, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(says)
	said := func(prefix string) string {
		t.Helper()
		for lines.Scan() {
			if rest, ok := strings.CutPrefix(lines.Text(), prefix); ok {
				return strings.TrimSpace(rest)
			}
		}
		t.Fatalf("openssl does not say %q", prefix)
		return ""
	}
	conn, _, err := Handshake(t.Context(), dialRaw(t, said("ACCEPT ")), UpstreamOptions{ServerName: host, Roots: pool(p.root.cert)})
	if err != nil {
		t.Fatal(err)
	}
	got := make(chan string)
	go func() {
		defer close(got)
		for r := bufio.NewReader(conn); ; {
			line, err := r.ReadString('\n')
			if err != nil {
				return
			}
			got <- line
		}
	}()
	say := func(w io.Writer, line string) {
		t.Helper()
		if _, err := io.WriteString(w, line+"\n"); err != nil {
			t.Fatal(err)
		}
	}
	say(conn, "one")
	said("one")
	say(told, "R") // asks for both
	said("Read BLOCK")
	say(told, "two")
	if line := <-got; line != "two\n" {
		t.Errorf("got %q", line)
	}
	say(conn, "three")
	said("three")
	_ = conn.Close()
	_ = told.Close()
	_ = cmd.Wait() // complains of what it was told
}
