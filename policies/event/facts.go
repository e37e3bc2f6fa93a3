package event

import "net/netip"

// How a connection came to the proxy.
const (
	ModeExplicit = "explicit"
	ModeRedirect = "redirect"
	ModeTPROXY   = "tproxy"
)

// How a connection ended at the proxy.
const (
	EndClient  = "client"  // the client ended it
	EndServer  = "server"  // the server ended it
	EndDropped = "dropped" // the policy did
	EndRefused = "refused" // the proxy did, by its own rules
	EndIdle    = "idle"    // nothing came for too long
	EndStopped = "stopped" // the proxy was stopped
	EndError   = "error"
)

// A Proxy is what the proxy did with a connection.
type Proxy struct {
	Mode string `json:"mode"` // "explicit", "redirect" or "tproxy"
	// Opened says that the connection's TLS was opened.
	Opened bool `json:"opened,omitempty"`
	// Bypass is why it was not, though the policy said so: "configured",
	// "added", "rejected" or "tunnel", see package proxy/bypass.
	Bypass string `json:"bypass,omitempty"`
	// Remembered says that a tunnel was found in opened TLS that the policy
	// lets be. Opening broke it; the client's next attempt is not opened.
	Remembered bool `json:"remembered,omitempty"`
	// Spliced says that the kernel carries the connection.
	Spliced bool `json:"spliced,omitempty"`
	// End is how the connection ended, one of the words above, and Error what
	// went wrong.
	End   string `json:"end,omitempty"`
	Error string `json:"error,omitempty"`
}

// A Connect is a CONNECT to a proxy and its answer.
type Connect struct {
	Target   string `json:"target"` // as sent, without user information
	Host     string `json:"host,omitempty"`
	Port     uint16 `json:"port,omitempty"`
	Protocol string `json:"protocol"` // "HTTP/1.1"
	// SSTPVersion is the field that Windows, sstpc and others send along.
	SSTPVersion *Header `json:"sstp_version,omitempty"`
	UserAgent   string  `json:"user_agent,omitempty"`
	// Headers are the names of all fields, in order and as spelled.
	Headers []string `json:"headers,omitempty"`
	// User is the name in Proxy-Authorization, true or not.
	User string `json:"user,omitempty"`
	// Status of the answer.
	Status int `json:"status,omitempty"`
	// Tunnel says that bytes went through.
	Tunnel bool `json:"tunnel,omitempty"`
	// Oddities of the head, "bare_lf" for example.
	Oddities []string `json:"oddities,omitempty"`
}

// A Header is one field of a head, its name as spelled.
type Header struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// TLS is the session's handshake, as far as it could be read.
type TLS struct {
	Version string `json:"version,omitempty"` // "TLS 1.2"
	Cipher  string `json:"cipher,omitempty"`  // IANA's name
	SNI     string `json:"sni,omitempty"`
	// ECH says that the client offered Encrypted Client Hello: SNI is the
	// outer name then.
	ECH bool `json:"ech,omitempty"`
	// ALPN is the server's choice, ALPNOffered the client's offer.
	ALPN        string   `json:"alpn,omitempty"`
	ALPNOffered []string `json:"alpn_offered,omitempty"`
	JA3         string   `json:"ja3,omitempty"`
	JA3S        string   `json:"ja3s,omitempty"`
	JA4         string   `json:"ja4,omitempty"`

	// The server's certificate, as sent: seen, not verified.
	Subject           string `json:"subject,omitempty"` // "CN=vpn.example.org,O=Example,C=US" (RFC 4514)
	Issuer            string `json:"issuer,omitempty"`
	NotBefore         Time   `json:"not_before,omitzero"`
	NotAfter          Time   `json:"not_after,omitzero"`
	SelfSigned        bool   `json:"self_signed,omitempty"`
	CertificateSHA256 string `json:"certificate_sha256,omitempty"` // of the leaf's DER, in hexadecimal

	// Records of application data.
	RecordsToServer int `json:"records_toserver,omitempty"`
	RecordsToClient int `json:"records_toclient,omitempty"`
	// Opened says that records were decrypted with secrets that were given;
	// NotOpened says why the given ones did not do.
	Opened    bool   `json:"opened,omitempty"`
	NotOpened string `json:"not_opened,omitempty"`
}

// HTTP is a request and its response, in clear or in opened TLS.
type HTTP struct {
	Method   string `json:"method,omitempty"`
	Target   string `json:"target,omitempty"`   // without user information and query
	Protocol string `json:"protocol,omitempty"` // the request's, "HTTP/1.1"
	Host     string `json:"host,omitempty"`
	// ContentLength of the request; SSTP's is 2^64-1.
	ContentLength *uint64  `json:"content_length,omitempty"`
	UserAgent     string   `json:"user_agent,omitempty"`
	Headers       []string `json:"headers,omitempty"` // names, in order and as spelled
	Status        int      `json:"status,omitempty"`
	Server        string   `json:"server,omitempty"`
	// ResponseHeaders are names, in order and as spelled.
	ResponseHeaders []string `json:"response_headers,omitempty"`
	Oddities        []string `json:"oddities,omitempty"` // of the request
	// Exchanges counts the requests on the connection.
	Exchanges int `json:"exchanges,omitempty"`
}

// SSTP is the SSTP messages, in clear or in opened TLS.
type SSTP struct {
	ControlToServer   int    `json:"control_toserver,omitempty"`
	ControlToClient   int    `json:"control_toclient,omitempty"`
	DataToServer      uint64 `json:"data_toserver,omitempty"` // packets
	DataToClient      uint64 `json:"data_toclient,omitempty"`
	DataBytesToServer uint64 `json:"data_bytes_toserver,omitempty"` // of PPP
	DataBytesToClient uint64 `json:"data_bytes_toclient,omitempty"`
	EchoToServer      int    `json:"echo_toserver,omitempty"` // requests
	EchoToClient      int    `json:"echo_toclient,omitempty"`
	// Messages are the first control messages, in order.
	Messages []string `json:"messages,omitempty"`
	// EncapsulatedProtocol of the Call Connect Request; 1 is PPP.
	EncapsulatedProtocol uint16 `json:"encapsulated_protocol,omitempty"`
	// HashOffered by the server, HashUsed by the client: "sha1", "sha256".
	HashOffered []string `json:"hash_offered,omitempty"`
	HashUsed    string   `json:"hash_used,omitempty"`
	// CryptoBinding is "matches" or "differs"; CryptoBindingUnknown says why
	// it is neither.
	CryptoBinding        string `json:"crypto_binding,omitempty"`
	CryptoBindingUnknown string `json:"crypto_binding_unknown,omitempty"`
	ReservedBits         bool   `json:"reserved_bits,omitempty"`
	CorrelationID        string `json:"correlation_id,omitempty"`
	NAK                  string `json:"nak,omitempty"` // status of the last one
	// End is "disconnect" or "abort", EndBy "client" or "server".
	End       string `json:"end,omitempty"`
	EndBy     string `json:"end_by,omitempty"`
	EndStatus string `json:"end_status,omitempty"`
	First     Time   `json:"first,omitzero"`
	Last      Time   `json:"last,omitzero"`
}

// PPP is the link inside the tunnel.
type PPP struct {
	Auth          string `json:"auth,omitempty"`          // "ms-chapv2", "eap-tls", ...
	User          string `json:"user,omitempty"`          // the name the client gave, true or not
	Authenticator string `json:"authenticator,omitempty"` // the name the server gave
	Result        string `json:"result,omitempty"`        // "success" or "failure"
	Message       string `json:"message,omitempty"`       // the peer's text with it
	// Inner addresses agreed on.
	ClientIP  netip.Addr   `json:"client_ip,omitzero"`
	ServerIP  netip.Addr   `json:"server_ip,omitzero"`
	ClientIP6 netip.Addr   `json:"client_ip6,omitzero"`
	DNS       []netip.Addr `json:"dns,omitempty"`
	// MRU that a side asked for.
	MRUClient      uint16   `json:"mru_client,omitempty"`
	MRUServer      uint16   `json:"mru_server,omitempty"`
	Identification []string `json:"identification,omitempty"`
	Protocols      []string `json:"protocols,omitempty"`
	// IP carried.
	IPPktsToServer  uint64 `json:"ip_pkts_toserver,omitempty"`
	IPPktsToClient  uint64 `json:"ip_pkts_toclient,omitempty"`
	IPBytesToServer uint64 `json:"ip_bytes_toserver,omitempty"`
	IPBytesToClient uint64 `json:"ip_bytes_toclient,omitempty"`
}
