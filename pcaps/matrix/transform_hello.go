package matrix

import (
	"context"
	"crypto/tls"
	"net"

	utls "github.com/refraction-networking/utls"

	"sstpwarden/pcaps/sstpref"
)

// helloTransforms change the ClientHello and how it is cut.
var helloTransforms = []Transform{
	{Name: "hello-records", Family: "hello", About: "the ClientHello in records of 64 bytes", apply: func(s *Setup) {
		s.Client.Faults.FragmentHello, s.Client.Faults.FragmentRecords = 64, true
	}},
	{Name: "hello-records-1", Family: "hello", About: "the ClientHello in records of one byte", apply: func(s *Setup) {
		s.Client.Faults.FragmentHello, s.Client.Faults.FragmentRecords = 1, true
	}},
	{Name: "hello-segments", Family: "hello", About: "the ClientHello in segments of 40 bytes", apply: func(s *Setup) {
		s.Client.Faults.FragmentHello = 40
	}},
	{Name: "hello-segments-1", Family: "hello", About: "the ClientHello in segments of one byte", apply: func(s *Setup) {
		s.Client.Faults.FragmentHello = 1
	}},
	{Name: "hello-both", Family: "hello", About: "the ClientHello in records of 16 bytes, those in segments of 7", apply: func(s *Setup) {
		s.Client.Faults.FragmentHello, s.Client.Faults.FragmentRecords = 16, true
		s.NearWire = append(s.NearWire, cutting(each(7), 1024, 0))
	}},
	{Name: "hello-split-sni", Family: "hello", About: "a record ends within the server's name", apply: func(s *Setup) {
		s.Client.SNI = hostName
		s.Client.Faults.FragmentHello, s.Client.Faults.FragmentRecords = 90, true
	}},
	{Name: "hello-chrome", Family: "hello", About: "the ClientHello of Chrome, with ALPN", apply: mimic(utls.HelloChrome_Auto)},
	{Name: "hello-firefox", Family: "hello", About: "the ClientHello of Firefox, with ALPN", apply: mimic(utls.HelloFirefox_Auto)},
	{Name: "alpn-http1", Family: "hello", About: "ALPN with http/1.1, which the server takes", apply: alpn("http/1.1")},
	{Name: "alpn-h2", Family: "hello", About: "ALPN with h2 and http/1.1, of which the server takes the latter", apply: alpn("h2", "http/1.1")},
	{Name: "alpn-h2-chosen", Family: "hello", About: "ALPN with h2, which the server takes and does not speak", apply: func(s *Setup) {
		s.Client.ALPN = []string{"h2"}
		s.Server.TLS.NextProtos = []string{"h2"}
	}},
}

func alpn(protocols ...string) func(*Setup) {
	return func(s *Setup) {
		s.Client.ALPN = protocols
		s.Server.TLS.NextProtos = []string{"http/1.1"}
	}
}

// mimic says a browser's hello in place of the profile's.
func mimic(id utls.ClientHelloID) func(*Setup) {
	return func(s *Setup) {
		s.Server.TLS.NextProtos = []string{"http/1.1"}
		s.Client.TLS = func(ctx context.Context, c net.Conn) (net.Conn, *sstpref.TLSInfo, error) {
			u, err := browser(ctx, c, id, &utls.Config{ServerName: hostName, InsecureSkipVerify: true, KeyLogWriter: s.Client.KeyLog})
			if err != nil {
				return nil, nil, err
			}
			state := u.ConnectionState()
			return u, &sstpref.TLSInfo{
				Version: tls.VersionName(state.Version), Cipher: tls.CipherSuiteName(state.CipherSuite), SNI: hostName, Certificates: state.PeerCertificates,
			}, nil
		}
	}
}

func browser(ctx context.Context, c net.Conn, id utls.ClientHelloID, config *utls.Config) (*utls.UConn, error) {
	u := utls.UClient(c, config, id)
	return u, u.HandshakeContext(ctx)
}
