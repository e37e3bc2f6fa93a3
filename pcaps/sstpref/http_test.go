package sstpref

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"sstpwarden/inspect/sstp"
)

const opening = "SSTP_DUPLEX_POST /sra_{BA195980-CD49-458b-9E23-C84EE0ADCD75}/ HTTP/1.1\r\n" +
	"SSTPCORRELATIONID: {01234567-89AB-CDEF-0123-456789ABCDEF}\r\nContent-Length: 18446744073709551615\r\nHost: vpn.example\r\n\r\n"

// What opens SSTP and what does not, however it is cut; what comes behind is kept.
func TestReadRequest(t *testing.T) {
	edit := func(from, to string) string { return strings.Replace(opening, from, to, 1) }
	for _, tt := range []struct {
		name, head string
		status     int
		err        string
	}{
		{"as specified", opening, 0, ""},
		{"path in another case", edit("458b", "458B"), 0, ""},
		{"tenant", edit("}/ HTTP", "}/?tenantid=x HTTP"), 0, ""},
		{"no host", edit("Host: vpn.example\r\n", ""), 0, ""},
		{"web", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 405, `method "GET"`},
		{"other path", edit("/sra_", "/other_"), 404, `path "/other_{BA195980-CD49-458b-9E23-C84EE0ADCD75}/"`},
		{"length", edit("18446744073709551615", "18446744073709551614"), 400, `Content-Length "18446744073709551614"`},
		{"no length", edit("Content-Length: 18446744073709551615\r\n", ""), 400, `Content-Length ""`},
		{"two lengths", edit("Host", "Content-Length: 1\r\nHost"), 400, ""},
		{"no HTTP", "\x16\x03\x01\x00\x10hello", 400, ""},
		{"HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, ""},
		{"nothing", "", 0, "EOF"},
		{"half", opening[:40], 0, "unexpected EOF"},
	} {
		for _, cut := range []func(io.Reader) io.Reader{func(r io.Reader) io.Reader { return r }, iotest.OneByteReader} {
			t.Run(tt.name, func(t *testing.T) {
				const behind = "\x10\x01\x00\x0e"
				text := tt.head
				if tt.status == 0 && tt.err == "" {
					text += behind
				}
				r := &headReader{from: cut(strings.NewReader(text))}
				_, status, err := readRequest(r, sstp.URIPath, false)
				if status != tt.status || (err == nil) != (tt.status == 0 && tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
					t.Fatalf("got status %d, %v; want %d, %q", status, err, tt.status, tt.err)
				}
				if err != nil {
					return
				}
				rest, err := io.ReadAll(io.MultiReader(strings.NewReader(string(r.buf)), r.from))
				if err != nil || string(rest) != behind {
					t.Errorf("behind the head: %q, %v", rest, err)
				}
			})
		}
	}
}

func TestReadResponse(t *testing.T) {
	const length = "Content-Length: 18446744073709551615\r\n\r\n"
	for _, tt := range []struct{ name, head, err string }{
		{"RRAS", "HTTP/1.1 200 \r\n" + length, ""},
		{"no space", "HTTP/1.1 200\r\n" + length, ""},
		{"lower case", "HTTP/1.1 200 OK\r\ncontent-length:18446744073709551615\r\n\r\n", ""},
		{"not found", "HTTP/1.1 404 Not Found\r\n\r\n", "http: the server answered 404 Not Found to SSTP_DUPLEX_POST; it is a web server"},
		{"no reason", "HTTP/1.1 503 \r\n\r\n", "the server answered 503 to SSTP_DUPLEX_POST"},
		{"web", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", `http: the server answered 200 with Content-Length "5"`},
		{"text to hide behind", "HTTP/1.1 404 \u202eno\r\n\r\n", `404 \u202eno to`},
		{"no HTTP", "SSH-2.0-OpenSSH_9.6\r\n", "http: the answer is no HTTP: "},
		{"nothing", "", "http: the server closed the connection instead of an answer; "},
		{"half", "HTTP/1.1 200", "unexpected EOF"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := readResponse(&headReader{from: strings.NewReader(tt.head)})
			if tt.err == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if e, ok := errors.AsType[*StepError](err); !ok || e.Step != StepHTTP || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("got %v, want %q in it", err, tt.err)
			}
		})
	}
}
