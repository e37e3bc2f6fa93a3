package ipcarry

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestCheck(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("/ok", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "fine") })
	mux.HandleFunc("/large", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 3<<20)) })
	mux.HandleFunc("/to/{n}", func(w http.ResponseWriter, r *http.Request) {
		n := 0
		_, _ = fmt.Sscan(r.PathValue("n"), &n)
		if n == 0 {
			http.Redirect(w, r, "/ok", http.StatusFound)
			return
		}
		http.Redirect(w, r, fmt.Sprintf("/to/%d", n-1), http.StatusFound)
	})
	mux.HandleFunc("/stall", func(w http.ResponseWriter, r *http.Request) {
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	mux.HandleFunc("/hang", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	web := httptest.NewServer(mux)
	defer web.Close()
	secure := httptest.NewTLSServer(mux)
	defer secure.Close()
	trust := secure.Client().Transport.(*http.Transport).TLSClientConfig

	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		switch address {
		case "name.test:80":
			address = web.Listener.Addr().String()
		case "example.com:443":
			address = secure.Listener.Addr().String()
		case "missing.test:80":
			return nil, fmt.Errorf("asking: %w", &net.DNSError{Err: "no such host", Name: "missing.test"})
		default:
			return nil, errors.New("connection was refused")
		}
		return (&net.Dialer{}).DialContext(ctx, network, address)
	}
	tests := []struct {
		name, url string
		config    *tls.Config
		step      CheckStep // "" for success
		status    int
		bytes     int64
	}{
		{"plain", "http://name.test/ok", nil, "", 200, 4},
		{"TLS", "https://example.com/ok", trust, "", 200, 4},
		{"a large body is cut", "http://name.test/large", nil, "", 200, checkBody},
		{"five redirections", "http://name.test/to/4", nil, "", 200, 4},
		{"six", "http://name.test/to/5", nil, CheckStatus, 0, 0},
		{"not found", "http://name.test/none", nil, CheckStatus, 404, 0},
		{"unknown CA", "https://example.com/ok", nil, CheckTLS, 0, 0},
		{"no name", "http://missing.test/", nil, CheckResolve, 0, 0},
		{"refused", "http://dead.test/", nil, CheckConnect, 0, 0},
		{"no answer", "http://name.test/hang", nil, CheckHTTP, 0, 0},
		{"half an answer", "http://name.test/stall", nil, CheckRead, 200, 0},
		{"no URL", "http://%zz", nil, CheckURL, 0, 0},
		{"another scheme", "ftp://name.test/", nil, CheckURL, 0, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			if tt.step == CheckHTTP || tt.step == CheckRead {
				cancel()
				ctx, cancel = context.WithTimeout(t.Context(), 100*time.Millisecond)
			}
			defer cancel()
			r, err := Check(ctx, tt.url, dial, tt.config)
			if tt.step == "" {
				if err != nil {
					t.Fatal(err)
				}
				if r.Connected <= 0 || r.Answered < r.Connected || r.Total < r.Answered || !r.Remote.IsValid() || r.Proto != "HTTP/1.1" {
					t.Errorf("%+v", r)
				}
				if secured := strings.HasPrefix(tt.url, "https"); (r.Secured > 0) != secured {
					t.Errorf("TLS after %v", r.Secured)
				}
			} else {
				var ce *CheckError
				if !errors.As(err, &ce) || ce.Step != tt.step {
					t.Fatalf("error %v, want one in step %q", err, tt.step)
				}
				if ce.hint() == "see the cause" || !strings.Contains(err.Error(), string(tt.step)) {
					t.Errorf("error %v", err)
				}
			}
			if r.Status != tt.status || r.Bytes != tt.bytes {
				t.Errorf("%+v", r)
			}
		})
	}
}

// The whole of it: names, redirection and body through Stack and Forwarder.
func TestCheckThroughTunnel(t *testing.T) {
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 1<<20)) }))
	defer web.Close()
	f := newForwarder(t, ForwarderConfig{Dial: hosts{"tcp 192.0.2.1:80": web.Listener.Addr().String()}.dial})
	s := connect(t, f, nil, nil, addr("10.9.0.2"))
	r, err := Check(t.Context(), "http://192.0.2.1/", s.DialContext, nil)
	if err != nil || r.Bytes != 1<<20 || r.Remote.String() != "192.0.2.1:80" {
		t.Errorf("%+v, %v", r, err)
	}
}
