package export_test

import (
	"bufio"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"os"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sstpwarden/rules"
)

// namespace gives the test a network of its own, on a thread that ends with
// it. What the test starts and opens is in it.
func namespace(t *testing.T) {
	t.Helper()
	if os.Getuid() != 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("needs root")
		}
		t.Skip("needs root")
	}
	runtime.LockOSThread() // and never unlocks: the thread ends
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Fatal(err)
	}
	if out, err := run(t, program(t, "ip"), "link", "set", "lo", "up"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// A step of a conversation: the client says something, the server answers, and
// the client reads it; or the server is reset.
type step struct {
	say, answer string
	cut         bool
}

// converse holds a conversation over loopback.
func converse(t *testing.T, name, host string, steps []step) {
	t.Helper()
	l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	server, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	deadline := time.Now().Add(patience)
	_ = client.SetDeadline(deadline)
	_ = server.SetDeadline(deadline)
	for i, s := range steps {
		if _, err := io.WriteString(client, s.say); err != nil {
			t.Fatalf("%s, step %d: %v", name, i, err)
		}
		if _, err := io.ReadFull(server, make([]byte, len(s.say))); err != nil {
			t.Fatalf("%s, step %d: the server does not read: %v", name, i, err)
		}
		if _, err := io.WriteString(server, s.answer); err != nil && !s.cut {
			t.Fatalf("%s, step %d: %v", name, i, err)
		}
		if s.cut {
			if _, err := bufio.NewReader(server).ReadByte(); !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("%s, step %d: the server is not reset: %v", name, i, err)
			}
			return
		}
		if _, err := io.ReadFull(client, make([]byte, len(s.answer))); err != nil {
			t.Fatalf("%s, step %d: the client does not read: %v", name, i, err)
		}
	}
}

func unhex(t *testing.T, s string) string {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestNftables(t *testing.T) {
	nft := program(t, "nft")
	namespace(t)
	dir := t.TempDir()
	all, err := rules.Load("testdata/rules.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"all": exported(t, "nftables", all), "own": exported(t, "nftables", load(t, own))} {
		if out, err := run(t, nft, "-c", "-f", write(t, dir, name+".nft", text)); err != nil {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
	path := write(t, dir, "sstp.nft", exported(t, "nftables", rules.Default()))
	for range 2 { // a second time it replaces itself
		if out, err := run(t, nft, "-f", path); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	const (
		ask  = "SSTP_DUPLEX_POST /sra_{BA195980-CD49-458b-9E23-C84EE0ADCD75}/ HTTP/1.1\r\nHost: x\r\n\r\n"
		get  = "GET /SSTP_DUPLEX_POST HTTP/1.1\r\nHost: x\r\n\r\n"
		ok   = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
		none = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
	)
	// MS-SSTP 4.1: Call Connect Request and, shortened, Ack
	request, ack := unhex(t, "1001 000E 0001 0001 0001 0006 0001"), unhex(t, "1001 0008 0002 0000")
	for _, host := range []string{"127.0.0.1", "::1"} {
		converse(t, host+" web", host, []step{{say: get, answer: ok}, {say: get, answer: ok}})
		converse(t, host+" accepted", host, []step{{say: ask, answer: ok, cut: true}})
		converse(t, host+" lower case", host, []step{{say: strings.ToLower(ask), answer: ok, cut: true}})
		converse(t, host+" refused", host, []step{{say: ask, answer: none}, {say: get, answer: ok}})
		converse(t, host+" control", host, []step{{say: request, answer: ack, cut: true}})
		converse(t, host+" control of one side", host, []step{{say: request, answer: ok}})
	}
	out, err := run(t, nft, "list", "table", "inet", "sstpwarden_export")
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"http.sstp_accepted", "sstp.control"} {
		counted := regexp.MustCompile(`counter packets [1-9]\d* bytes \d+ reject with tcp reset comment "` + regexp.QuoteMeta(id) + `"`)
		if n := len(counted.FindAllString(out, -1)); n != 2 {
			t.Errorf("%s: %d of 2 rules counted:\n%s", id, n, out)
		}
	}
	if !regexp.MustCompile(`counter packets [1-9]\d* bytes \d+ log prefix "sstp http.sstp_duplex_post: "`).MatchString(out) {
		t.Errorf("nothing was logged:\n%s", out)
	}
}
