package guard

import (
	"strings"
	"testing"
)

// Each is sent with a request behind it that must not be taken for a second one,
// unless want says otherwise.
var smuggling = []struct {
	name, in string
	status   string // of the refusal, in the rig's words; "" if none
	seen     int    // requests that are served before it
}{
	{"CL.TE", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG", "POST 400", 0},
	{"TE.CL", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n12\r\nGPOST / HTTP/1.1\r\n\r\n0\r\n\r\n", "POST 400", 0},
	{"CL.0 with TE identity", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nTransfer-Encoding: identity\r\n\r\nabc", "POST 400", 0},
	{"TE identity", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: identity\r\n\r\n", "POST 400", 0},
	{"TE xchunked", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", "POST 400", 0},
	{"TE quoted", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n", "POST 400", 0},
	{"TE with parameter", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked;x=y\r\n\r\n0\r\n\r\n", "POST 400", 0},
	{"TE chunked twice", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "POST 400", 0},
	{"TE chunked, identity", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", "POST 400", 0},
	{"TE chunked and x", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTransfer-encoding: x\r\n\r\n0\r\n\r\n", "POST 400", 0},
	{"TE empty", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding:\r\nContent-Length: 3\r\n\r\nabc", "POST 400", 0},
	{"TE gzip, chunked", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "POST 501", 0},
	{"TE with a vertical tab", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n", "POST 400", 0},
	{"TE with a space before the colon", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n", "POST 400", 0},
	{"TE with a tab before the colon", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n", "POST 400", 0},
	{"TE folded", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n", "POST 400", 0},
	{"TE hidden in a fold", "POST / HTTP/1.1\r\nHost: h\r\nX: y\r\n Transfer-Encoding: chunked\r\n\r\n", "POST 400", 0},
	{"TE behind a bare CR", "POST / HTTP/1.1\r\nHost: h\r\nX: y\rTransfer-Encoding: chunked\r\n\r\n", "POST 400", 0},
	{"TE behind a NUL", "POST / HTTP/1.1\r\nHost: h\r\nX: y\x00\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "POST 400", 0},
	{"TE before the first field", "POST / HTTP/1.1\r\n Transfer-Encoding: chunked\r\nHost: h\r\n\r\n", "POST 400", 0},
	{"TE in HTTP/1.0", "POST / HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "POST 400", 0},
	{"TE name with NBSP", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding\xa0: chunked\r\n\r\n0\r\n\r\n", "POST 400", 0},
	{"lengths that differ", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", "POST 400", 0},
	{"lengths that differ in a list", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3, 4\r\n\r\nabcd", "POST 400", 0},
	{"length with a sign", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: +3\r\n\r\nabc", "POST 400", 0},
	{"length negative", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n", "POST 400", 0},
	{"length hexadecimal", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0x3\r\n\r\nabc", "POST 400", 0},
	{"length with a gap", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3 0\r\n\r\nabc", "POST 400", 0},
	{"length empty", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length:\r\n\r\n", "POST 400", 0},
	{"length above 64 bits", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 18446744073709551616\r\n\r\n", "POST 400", 0},
	{"length above 63 bits", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9223372036854775808\r\n\r\n", "POST 413", 0},
	{"name empty", "GET / HTTP/1.1\r\nHost: h\r\n: x\r\n\r\n", "GET 400", 0},
	{"no colon", "GET / HTTP/1.1\r\nHost: h\r\nx\r\n\r\n", "GET 400", 0},
	{"no Host", "GET / HTTP/1.1\r\n\r\n", "GET 400", 0},
	{"two Hosts", "GET / HTTP/1.1\r\nHost: h\r\nHost: i\r\n\r\n", "GET 400", 0},
	{"Host with a space", "GET / HTTP/1.1\r\nHost: h i\r\n\r\n", "GET 400", 0},
	{"spaces in the request line", "GET  / HTTP/1.1\r\nHost: h\r\n\r\n", "GET 400", 0},
	{"space in the target", "GET /a b HTTP/1.1\r\nHost: h\r\n\r\n", "GET 400", 0},
	{"a request in the target", "GET /a HTTP/1.1 GET /b HTTP/1.1\r\nHost: h\r\n\r\n", "GET 400", 0},
	{"target without a slash", "GET a HTTP/1.1\r\nHost: h\r\n\r\n", "GET 400", 0},
	{"bare CR in the request line", "GET /\rb HTTP/1.1\r\nHost: h\r\n\r\n", "- 400", 0},
	{"HTTP/0.9", "GET /\r\n\r\n", "- 400", 0},
	{"HTTP/2.0", "GET / HTTP/2.0\r\nHost: h\r\n\r\n", "- 505", 0},
	{"HTTP/1.10", "GET / HTTP/1.10\r\nHost: h\r\n\r\n", "- 505", 0},
	{"HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00", "- 505", 0},
	{"TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "- 400", 0},
	{"a long head", "GET / HTTP/1.1\r\nHost: h\r\nX: " + strings.Repeat("x", 64<<10) + "\r\n\r\n", "- 431", 0},
	{"many fields", "GET / HTTP/1.1\r\nHost: h\r\n" + strings.Repeat("x: y\r\n", 300) + "\r\n", "- 431", 0},
	{"cut off", "GET / HTTP/1.1\r\nHost: ", "- 400", 0},
	{"another Expect", "POST / HTTP/1.1\r\nHost: h\r\nExpect: 200-ok\r\nContent-Length: 3\r\n\r\nabc", "POST 417", 0},
	{"a host that net/http cannot read", "GET http://h%zz/ HTTP/1.1\r\nHost: h\r\n\r\n", "GET 400", 0},
	{"a control character in a value", "GET / HTTP/1.1\r\nHost: h\r\nX: \x01\r\n\r\n", "GET 400", 0},

	{"chunk size empty", chunked + "\r\n", "POST 400", 1},
	{"chunk size with 0x", chunked + "0x3\r\nabc\r\n0\r\n\r\n", "POST 400", 1},
	{"chunk size with a sign", chunked + "+3\r\nabc\r\n0\r\n\r\n", "POST 400", 1},
	{"chunk size negative", chunked + "-1\r\nabc\r\n0\r\n\r\n", "POST 400", 1},
	{"chunk size with a space before", chunked + " 3\r\nabc\r\n0\r\n\r\n", "POST 400", 1},
	{"chunk size with an underscore", chunked + "1_0\r\nabc\r\n0\r\n\r\n", "POST 400", 1},
	{"chunk size above 64 bits", chunked + "10000000000000003\r\nabc\r\n0\r\n\r\n", "POST 400", 1},
	{"chunk size above 63 bits", chunked + "ffffffffffffffff\r\nabc\r\n0\r\n\r\n", "POST 400", 1},
	{"chunk size of many zeros", chunked + "00000000000000000\r\n\r\n", "POST 400", 1},
	{"chunk size with a bare LF", chunked + "3\nabc\r\n0\r\n\r\n", "POST 400", 1},
	{"chunk size with a bare CR", chunked + "3\rxabc\r\n0\r\n\r\n", "POST 400", 1},
	{"chunk size with CR CR LF", chunked + "3\r\r\nabc\r\n0\r\n\r\n", "POST 400", 1},
	{"chunk extension with a bare LF", chunked + "3;x\nabc\r\n0\r\n\r\n", "POST 400", 1},
	{"chunk extension with a bare CR", chunked + "3;x\ry\r\nabc\r\n0\r\n\r\n", "POST 400", 1},
	{"chunk extension behind a space", chunked + "3 ;x\r\nabc\r\n0\r\n\r\n", "POST 400", 1},
	{"chunk extension with NUL", chunked + "3;\x00\r\nabc\r\n0\r\n\r\n", "POST 400", 1},
	{"chunk extension too long", chunked + "3;" + strings.Repeat("x", 2000) + "\r\nabc\r\n0\r\n\r\n", "POST 400", 1},
	{"chunk extensions in all too long", chunked + strings.Repeat("1;"+strings.Repeat("x", 500)+"\r\na\r\n", 50) + "0\r\n\r\n", "POST 400", 1},
	{"chunk data too long", chunked + "3\r\nabcd\r\n0\r\n\r\n", "POST 400", 1},
	{"chunk data with a bare LF behind", chunked + "3\r\nabc\n0\r\n\r\n", "POST 400", 1},
	{"chunk data with CR x behind", chunked + "3\r\nabc\rx0\r\n\r\n", "POST 400", 1},
	{"last chunk with a bare LF", chunked + "3\r\nabc\r\n0\n\r\n", "POST 400", 1},
	{"end with a bare LF", chunked + "3\r\nabc\r\n0\r\n\n", "POST 400", 1},
	{"end with CR x", chunked + "3\r\nabc\r\n0\r\n\rx", "POST 400", 1},
	{"trailer folded", chunked + "0\r\nX: y\r\n z\r\n\r\n", "POST 400", 1},
	{"trailer of spaces", chunked + "0\r\n  \r\n\r\n", "POST 400", 1},
	{"trailer without a colon", chunked + "0\r\nX\r\n\r\n", "POST 400", 1},
	{"trailer without a name", chunked + "0\r\n: x\r\n\r\n", "POST 400", 1},
	{"trailer with a space before the colon", chunked + "0\r\nX : x\r\n\r\n", "POST 400", 1},
	{"trailer with a bare LF", chunked + "0\r\nX: x\n\r\n", "POST 400", 1},
	{"trailer with a bare CR", chunked + "0\r\nX: x\ry\r\n\r\n", "POST 400", 1},
	{"trailer with a length", chunked + "0\r\nContent-Length: 3\r\n\r\n", "POST 400", 1},
	{"trailer with a coding", chunked + "0\r\ntransfer-encoding: chunked\r\n\r\n", "POST 400", 1},
	{"trailer too long", chunked + "0\r\nX: " + strings.Repeat("x", 5000) + "\r\n\r\n", "POST 400", 1},
	{"trailer that is a request", chunked + "0\r\nGET /x HTTP/1.1\r\nHost: h\r\n\r\n", "POST 400", 1},
}

const chunked = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"

// After a request as before each vector, and with one behind it that must stay
// unseen.
func TestSmuggling(t *testing.T) {
	const before, behind = "GET /before HTTP/1.1\r\nHost: h\r\n\r\n", "GET /behind HTTP/1.1\r\nHost: h\r\n\r\n"
	for _, tt := range smuggling {
		t.Run(tt.name, func(t *testing.T) {
			in := before + tt.in + behind
			if tt.name == "cut off" {
				in = before + tt.in
			}
			r := newRig(t, Options{})
			out := responses(t, r.talk(in))
			g := r.told(1)
			if len(out) != 2 || out[0] != "200 GET /before 0" || !strings.HasPrefix(out[1], tt.status[strings.Index(tt.status, " ")+1:]) {
				t.Errorf("answered %q", out)
			}
			if len(g.refused) != 1 || !strings.HasPrefix(g.refused[0], tt.status) {
				t.Errorf("refused %q, want %s", g.refused, tt.status)
			}
			if len(g.seen) != 1+tt.seen || g.errs[0] != nil {
				t.Errorf("seen %q, error %v", g.seen, g.errs[0])
			}
			if !strings.HasPrefix(in, g.read) {
				t.Errorf("told %q", g.read)
			}
		})
	}
}
