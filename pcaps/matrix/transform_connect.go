package matrix

import (
	"bytes"
	"fmt"
)

// proxied are the paths with a CONNECT on them.
var proxied = []string{"proxy", "explicit", "opened", devicePathName}

// connectTransforms change what the client asks of an HTTP proxy.
var connectTransforms = []Transform{
	{Name: "connect-bare", Family: familyConnect, About: "CONNECT without SSTPVERSION", Paths: proxied, apply: func(s *Setup) { s.connect = bareConnect }},
	{Name: "connect-browser", Family: familyConnect, About: "CONNECT as of a browser", Paths: proxied, apply: connect(func(to string) string {
		return fmt.Sprintf("CONNECT %s HTTP/1.1\r\nHost: %s\r\nProxy-Connection: keep-alive\r\nUser-Agent: Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36\r\n\r\n", to, to)
	})},
	{Name: "connect-lower", Family: familyConnect, About: "SSTPVERSION in lower case, and HTTP/1.0", Paths: proxied, apply: connect(func(to string) string {
		return fmt.Sprintf("CONNECT %s HTTP/1.0\r\nsstpversion:1.0\r\n\r\n", to)
	})},
	{Name: "connect-other-version", Family: familyConnect, About: "SSTPVERSION with another value, behind many headers", Paths: proxied, apply: connect(func(to string) string {
		var b bytes.Buffer
		fmt.Fprintf(&b, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n", to, to)
		for i := range 40 {
			fmt.Fprintf(&b, "X-Filler-%d: %040d\r\n", i, i)
		}
		return b.String() + "SSTPVERSION: 9\r\n\r\n"
	})},
	{Name: "connect-split", Family: familyConnect, About: "CONNECT in segments of 5 bytes", Paths: proxied, apply: near(cutting(each(5), 400, segmentPause))},
	{Name: "connect-bare-split", Family: familyConnect, About: "CONNECT without SSTPVERSION, all in segments of 5 bytes", Paths: proxied, apply: func(s *Setup) {
		s.connect = bareConnect
		near(cutting(each(5), 3000, 0))(s)
	}},
}

// connect writes the CONNECT, given what it asks for.
func connect(head func(to string) string) func(*Setup) {
	return func(s *Setup) {
		s.connect = func(to string) []byte { return []byte(head(to)) }
	}
}

const familyConnect = "connect"

// bareConnect says nothing of SSTP.
func bareConnect(to string) []byte {
	return fmt.Appendf(nil, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n", to, to)
}
