package matrix

import (
	"fmt"
	"slices"
	"strings"

	"sstpwarden/inspect/httphead"
)

// httpTransforms change the heads that open SSTP.
var httpTransforms = []Transform{
	{Name: "headers-extra", Family: "http", About: "as many headers as a browser sends", apply: func(s *Setup) {
		s.request(func(r *httphead.Request) {
			r.Fields = append(r.Fields,
				httphead.Field{Name: "User-Agent", Value: "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"},
				httphead.Field{Name: "Accept", Value: "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"},
				httphead.Field{Name: "Accept-Language", Value: "en-US,en;q=0.9"},
				httphead.Field{Name: "Accept-Encoding", Value: "gzip, deflate, br, zstd"})
		})
	}},
	{Name: "headers-many", Family: "http", About: "4 KiB of headers in the request", apply: func(s *Setup) {
		s.request(func(r *httphead.Request) { r.Fields = append(r.Fields, filler(40, 90)...) })
	}},
	{Name: "headers-reordered", Family: "http", About: "the request's headers in reverse order and lower case", apply: func(s *Setup) {
		s.request(func(r *httphead.Request) {
			slices.Reverse(r.Fields)
			for i := range r.Fields {
				r.Fields[i].Name = strings.ToLower(r.Fields[i].Name)
			}
		})
	}},
	{Name: "headers-random", Family: "http", About: "a header of random length up to 600 bytes in the request and in the response", apply: func(s *Setup) {
		n, m := s.Rand.IntN(600), s.Rand.IntN(600)
		s.request(func(r *httphead.Request) { r.Fields = append(r.Fields, filler(1, n)...) })
		s.response(func(r *httphead.Response) { r.Fields = append(r.Fields, filler(1, m)...) })
	}},
	{Name: "response-long", Family: "http", About: "700 bytes of headers in the response", apply: func(s *Setup) {
		s.response(func(r *httphead.Response) { r.Fields = append(r.Fields, filler(7, 80)...) })
	}},
	{Name: "response-huge", Family: "http", About: "4 KiB of headers in the response", apply: func(s *Setup) {
		s.response(func(r *httphead.Response) { r.Fields = append(r.Fields, filler(40, 90)...) })
	}},
	{Name: "heads-huge", Family: "http", About: "4 KiB of headers both ways", apply: func(s *Setup) {
		s.request(func(r *httphead.Request) { r.Fields = append(r.Fields, filler(40, 90)...) })
		s.response(func(r *httphead.Response) { r.Fields = append(r.Fields, filler(40, 90)...) })
	}},
	{Name: "correlation-none", Family: "http", About: "no SSTPCORRELATIONID", apply: func(s *Setup) { s.dropField("SSTPCORRELATIONID") }},
	{Name: "path-other", Family: "http", About: "another path, which the server knows", apply: func(s *Setup) {
		s.Client.Path, s.Server.Path = "/index.html", "/index.html"
	}},
	{Name: "path-query", Family: "http", About: "a query behind the path", apply: func(s *Setup) {
		s.request(func(r *httphead.Request) { r.Target += "?tenantid=" + strings.Repeat("0123456789abcdef", 8) })
	}},
	{Name: "method-lower", Family: "http", About: "the method in lower case, to a server that takes that", apply: method("sstp_duplex_post")},
	{Name: "method-mixed", Family: "http", About: "the method in mixed case, to a server that takes that", apply: method("Sstp_Duplex_Post")},
	{Name: "method-post", Family: "http", About: "POST in place of the method", apply: method("POST")},
	{Name: "nothing-of-sstp", Family: "http", About: "POST to another path with an ordinary length: nothing in the heads is SSTP's", apply: func(s *Setup) {
		method("POST")(s)
		s.Client.Path, s.Server.Path = "/upload", "/upload"
		s.dropField("SSTPCORRELATIONID")
		s.request(func(r *httphead.Request) {
			for i := range r.Fields {
				if r.Fields[i].Name == "Content-Length" {
					r.Fields[i].Value = "1073741824"
				}
			}
		})
	}},
}

func method(name string) func(*Setup) {
	return func(s *Setup) {
		s.Server.Lenient = true
		s.request(func(r *httphead.Request) { r.Method = name })
	}
}

// filler is so many headers with values of so many bytes.
func filler(count, size int) httphead.Fields {
	var out httphead.Fields
	for i := range count {
		out = append(out, httphead.Field{Name: fmt.Sprintf("X-Filler-%d", i), Value: strings.Repeat("x", size)})
	}
	return out
}
