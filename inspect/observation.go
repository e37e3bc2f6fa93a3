package inspect

import (
	"net/netip"
	"time"

	"sstpwarden/inspect/httphead"
	"sstpwarden/inspect/tlswire"
)

// Observation holds the facts of one connection, as far as they were seen.
// Pointers are nil where the thing was not seen. It is owned by its Flow and
// changes with the next Feed.
type Observation struct {
	// Protocol is what the outermost stream speaks: "tls", "http", "connect"
	// (a tunnel through an HTTP proxy), "sstp" (no TLS, no HTTP), "other", or
	// "" while unknown.
	Protocol string
	// Seen says which directions brought bytes.
	Seen [2]bool
	// Midstream says that the connection was already running when its first
	// bytes were seen.
	Midstream bool
	// Lost is the number of bytes that the capture misses.
	Lost uint64

	Connect *ConnectFacts
	TLS     *TLSFacts
	HTTP    *HTTPFacts
	SSTP    *SSTPFacts
	PPP     *PPPFacts
	// Timeline holds the moments of the connection, in the order they were
	// seen: the first ones, and how calls end. Once a flow is settled nothing
	// is added.
	Timeline []Moment
}

// ConnectFacts are those of a CONNECT to a proxy, outside any TLS.
type ConnectFacts struct {
	Request  httphead.Request
	Response *httphead.Response
	// Host and Port are the CONNECT's target.
	Host string
	Port uint16
	// User is the name in Proxy-Authorization, "" if none.
	User string
	// Tunnel says that bytes followed the CONNECT's head in the client's
	// direction, after the proxy agreed or where its answer was not seen.
	Tunnel bool
}

// TLSFacts are those of the connection's TLS session. They hold no part of
// the handshake's bytes, so that a flow stays small.
type TLSFacts struct {
	// Hello and ServerHello say which hellos were read.
	Hello, ServerHello bool
	// SNI is the name the client asked for, "" if none; it is the client's to
	// choose. With ECH it is the outer name.
	SNI string
	ECH bool
	// Offered are the client's ALPN protocols, ALPN the server's choice where
	// it can be read: up to TLS 1.2, and with keys.
	Offered []string
	ALPN    string
	// Version and Suite negotiated; 0 before the ServerHello.
	Version tlswire.Version
	Suite   tlswire.CipherSuite
	// EncryptThenMAC was negotiated (RFC 7366).
	EncryptThenMAC bool
	// SizesExact says that a record's length gives its plaintext to the
	// byte; block ciphers give a range.
	SizesExact bool
	// JA3, JA3S and JA4 fingerprints; "" before the hello.
	JA3, JA3S, JA4 string
	// Certificate of the server, seen in clear up to TLS 1.2, and with keys.
	Certificate *tlswire.CertificateTraits
	// Records of application data per direction.
	Records [2]int
	// Opened says that the secrets are known and records were opened;
	// NotOpened says why not, "" where nobody gave secrets.
	Opened    bool
	NotOpened string
}

// HTTPFacts are those of HTTP read in clear or in opened TLS, outside a
// CONNECT: the first request and its response, or those that ask for SSTP
// where an ordinary exchange stood before them.
type HTTPFacts struct {
	Request  *httphead.Request
	Response *httphead.Response
	// Exchanges counts requests on the connection.
	Exchanges int
}

// SSTPFacts are those of SSTP messages read in clear or in opened TLS.
type SSTPFacts struct {
	// Control counts control messages per direction.
	Control [2]int
	// Data counts data packets and their bytes of PPP per direction.
	Data, DataBytes [2]uint64
	// Messages names the first control messages, in order.
	Messages []string
	// Encapsulated is the protocol id of the Call Connect Request.
	Encapsulated uint16
	// HashOffered is the bitmask of the Call Connect Ack, HashUsed the hash
	// protocol of Call Connected; 0 where not seen.
	HashOffered, HashUsed uint8
	// Binding compares the certificate hash of Call Connected with the
	// certificate on the wire: BindingMatches, BindingDiffers, or "" with
	// BindingUnknown saying why it cannot be told.
	Binding        string
	BindingUnknown string
	// Reserved says that reserved bits of the length field were set.
	Reserved bool
	// End is how the call ended: "disconnect", "abort", "" while running or
	// cut off; EndBy says who began, EndStatus is the status sent, in words.
	End       string
	EndBy     Direction
	EndStatus string
	// NAK is the status of the last Call Connect Nak, in words.
	NAK string
	// Echo counts echo requests per direction.
	Echo [2]int
	// CorrelationID is the client's SSTPCORRELATIONID, as spelled.
	CorrelationID string
	// First and Last are the times of the first and last SSTP packet.
	First, Last time.Time
}

// What comparing the crypto binding's hash with the certificate gave.
const (
	BindingMatches = "matches"
	BindingDiffers = "differs" // the TLS was intercepted
)

// PPPFacts are those of the PPP link inside.
type PPPFacts struct {
	// Auth is the authentication protocol: "pap", "chap-md5", "ms-chap",
	// "ms-chapv2", "eap", "eap-tls", "eap-mschapv2", ...; "" if none was seen.
	Auth string
	// User is the name the client gave.
	User string
	// Authenticator is the name the server gave.
	Authenticator string
	// Result is "success", "failure" or "" while open; Message is the
	// peer's text with it.
	Result, Message string
	// ClientAddress and ServerAddress are the inner addresses agreed on.
	ClientAddress, ServerAddress netip.Addr
	ClientAddress6               netip.Addr // link-local, by interface id
	DNS                          []netip.Addr
	// MRU each side asked for, 0 where none.
	MRU [2]uint16
	// Identification texts of LCP (RFC 1570), which some clients send.
	Identification []string
	// Protocols seen, in order of appearance.
	Protocols []string
	// IPPackets and IPBytes carried per direction.
	IPPackets, IPBytes [2]uint64
}
