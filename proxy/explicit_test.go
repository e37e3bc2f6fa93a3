package proxy

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// echo is a server that sends back what it gets, and ends when its client does.
func echo(t testing.TB) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				_, _ = io.Copy(conn, conn)
				_ = conn.Close()
			}()
		}
	}()
	return ln.Addr().String()
}

func dialLab(t testing.TB, l *lab) *net.TCPConn {
	t.Helper()
	conn, err := net.Dial("tcp", l.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn.(*net.TCPConn)
}

// ask sends a head and reads the answer's.
func ask(t testing.TB, conn net.Conn, head string) (*http.Response, *bufio.Reader) {
	t.Helper()
	if _, err := io.WriteString(conn, head); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(conn)
	resp, err := http.ReadResponse(r, &http.Request{Method: http.MethodConnect})
	if err != nil {
		t.Fatal(err)
	}
	return resp, r
}

// A CONNECT carries anything in both directions, the early bytes included, and its
// half-closes.
func TestConnect(t *testing.T) {
	server := echo(t)
	for name, head := range map[string]string{
		"ordinary": "CONNECT %s HTTP/1.1\r\nHost: %[1]s\r\n\r\n",
		"HTTP/1.0": "CONNECT %s HTTP/1.0\r\n\r\n",
		"sstpc":    "CONNECT %s:443 HTTP/1.1\nUser-Agent: x\n\n",
		"early":    "CONNECT %s HTTP/1.1\r\nHost: %[1]s\r\n\r\nearly ",
	} {
		t.Run(name, func(t *testing.T) {
			conn := dialLab(t, run(t, dropping, nil))
			resp, r := ask(t, conn, fmt.Sprintf(head, server))
			if resp.StatusCode != http.StatusOK {
				t.Fatalf("answered %s", resp.Status)
			}
			if _, err := io.WriteString(conn, "hello"); err != nil {
				t.Fatal(err)
			}
			if err := conn.CloseWrite(); err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(r)
			if want := strings.TrimLeft(name[:5]+" ", "ordinayHTP/1.0sc ") + "hello"; err != nil || !strings.HasSuffix(want, string(got)) {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
}

func TestPlain(t *testing.T) {
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s %s %s %q", r.Method, r.URL, r.Host, r.Header)
	}))
	defer web.Close()
	l := run(t, dropping, nil)
	proxy, _ := url.Parse("http://" + l.addr)
	tr := &http.Transport{Proxy: http.ProxyURL(proxy)}
	defer tr.CloseIdleConnections()
	resp, err := (&http.Client{Transport: tr}).Get(web.URL + "/a?b")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body)
	if !strings.HasPrefix(string(b), "GET /a?b 127.0.0.1") {
		t.Errorf("got %s", b)
	}
}
