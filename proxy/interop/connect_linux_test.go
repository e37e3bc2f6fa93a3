package interop

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"sstpwarden/pcaps/netlab/labtest"
)

// connectVia asks a proxy for a tunnel, as a browser does.
func connectVia(conn net.Conn, address string, fields ...string) error {
	_ = conn.SetDeadline(time.Now().Add(labtest.Patience))
	head := fmt.Sprintf("CONNECT %s HTTP/1.1\r\nHost: %[1]s\r\n", address)
	for _, f := range fields {
		head += f + "\r\n"
	}
	if _, err := io.WriteString(conn, head+"\r\n"); err != nil {
		return err
	}
	answer, err := readHead(conn)
	if err != nil {
		return err
	}
	if !strings.HasPrefix(answer, "HTTP/1.1 200 ") {
		return fmt.Errorf("CONNECT %s was answered %s", address, answer)
	}
	return nil
}

// readHead reads a head and not a byte more.
func readHead(conn net.Conn) (string, error) {
	var b []byte
	one := make([]byte, 1)
	for !strings.HasSuffix(string(b), "\r\n\r\n") {
		if _, err := io.ReadFull(conn, one); err != nil {
			return string(b), fmt.Errorf("reading a head, of which there is %q: %w", b, err)
		}
		b = append(b, one[0])
	}
	return string(b), nil
}

// ask sends bytes and reads one answer of HTTP.
func ask(conn net.Conn, text string) (status int, body string, err error) {
	_ = conn.SetDeadline(time.Now().Add(labtest.Patience))
	if _, err := io.WriteString(conn, text); err != nil {
		return 0, "", err
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b), err
}

// past is a deadline that has passed.
var past = time.Unix(1, 0)
