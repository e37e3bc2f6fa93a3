package hello

import (
	"crypto/tls"
	"fmt"
	"net"
	"slices"
	"strings"

	utls "github.com/refraction-networking/utls"
)

// Options say what a hello offers. Versions are tls.VersionTLS10 and so on.
type Options struct {
	// MinVersion is the oldest version that is agreed to: 0 for TLS 1.2, or for what
	// the client has where that is older. Only OpenSSL, which is sstpc's, also says
	// it in its hello.
	MinVersion uint16
	// MaxVersion is the newest version that is offered, 0 for the newest that the
	// client has.
	MaxVersion uint16
	// ALPN are protocols that are offered besides (RFC 7301), which none of the
	// clients does.
	ALPN []string
}

// A form is a ClientHello of a client.
type form struct {
	version uint16 // the newest that it offers
	// suites and extensions are given the oldest version that is agreed to, and
	// return what uTLS may write to: it puts its keys there. The extensions are
	// without server_name, which real clients have in front.
	suites     func(oldest uint16) []uint16
	extensions func(oldest uint16) []utls.TLSExtension
	// sessionID says that a random one is sent; else it is empty.
	sessionID bool
}

// A client is one client's hellos, the newest version first.
type client struct {
	name  string
	forms []form
}

var clients = []client{
	{"windows", []form{windows11, windows10}},
	{"windows7", []form{windows7}},
	{"sstpc", []form{sstpc13, sstpc12}},
	{"osc", []form{osc13, osc12}},
	{"mikrotik", []form{mikrotik12}},
	{"mihomo", []form{mihomo13, mihomo12}},
}

// Names returns the names of the clients.
func Names() []string {
	names := make([]string, 0, len(clients))
	for _, c := range clients {
		names = append(names, c.name)
	}
	return names
}

// Versions returns the newest versions that the forms of a client's hello offer, in
// falling order; nil for a client that there is not.
func Versions(name string) []uint16 {
	c, err := byName(name)
	if err != nil {
		return nil
	}
	versions := make([]uint16, 0, len(c.forms))
	for _, f := range c.forms {
		versions = append(versions, f.version)
	}
	return versions
}

// Spec returns a client's hello with a server name, "" for none, which real clients
// send only if it is no address. The spec is for one connection. The error says which
// names or versions there are.
//
// With it alone, uTLS sends a random session identifier in every form. [Client]
// leaves it out where the real client does.
func Spec(name, serverName string, o Options) (*utls.ClientHelloSpec, error) {
	f, oldest, err := choose(name, o)
	if err != nil {
		return nil, err
	}
	return f.spec(serverName, oldest, o.ALPN), nil
}

// Client returns a connection on c that says a client's hello once it shakes hands.
// It takes a copy of config, whose ServerName, versions and suites do not matter: what
// is sent follows from the other arguments, as for [Spec], and the certificate is
// verified for serverName, or by config's VerifyConnection if InsecureSkipVerify
// is set.
func Client(c net.Conn, config *utls.Config, name, serverName string, o Options) (*utls.UConn, error) {
	f, oldest, err := choose(name, o)
	if err != nil {
		return nil, err
	}
	config = config.Clone()
	config.MinVersion, config.MaxVersion, config.CipherSuites = oldest, f.version, nil
	config.NextProtos = o.ALPN
	if serverName != "" {
		config.ServerName = serverName
	}
	u := utls.UClient(c, config, utls.HelloCustom)
	if err := u.ApplyPreset(f.spec(serverName, oldest, o.ALPN)); err != nil {
		return nil, fmt.Errorf("making the ClientHello of %s: %w", name, err)
	}
	if !f.sessionID {
		u.HandshakeState.Hello.SessionId = nil
	}
	return u, nil
}

func byName(name string) (client, error) {
	i := slices.IndexFunc(clients, func(c client) bool { return c.name == name })
	if i < 0 {
		return client{}, fmt.Errorf("no ClientHello of %q: there are %s", name, strings.Join(Names(), ", "))
	}
	return clients[i], nil
}

// choose finds a client's form within bounds, and the oldest version to agree to.
func choose(name string, o Options) (form, uint16, error) {
	c, err := byName(name)
	if err != nil {
		return form{}, 0, err
	}
	i := slices.IndexFunc(c.forms, func(f form) bool { return o.MaxVersion == 0 || f.version <= o.MaxVersion })
	if i < 0 || c.forms[i].version < o.MinVersion {
		var have []string
		for _, f := range c.forms {
			have = append(have, tls.VersionName(f.version))
		}
		return form{}, 0, fmt.Errorf("the ClientHello of %s offers %s, and %s is wanted", name, strings.Join(have, " or "), o)
	}
	oldest := o.MinVersion
	if oldest == 0 {
		oldest = min(tls.VersionTLS12, c.forms[i].version)
	}
	return c.forms[i], oldest, nil
}

// String says what the bounds are, in words for people.
func (o Options) String() string {
	switch {
	case o.MinVersion == 0 && o.MaxVersion == 0:
		return "any version"
	case o.MinVersion == 0:
		return "at most " + tls.VersionName(o.MaxVersion)
	case o.MaxVersion == 0:
		return "at least " + tls.VersionName(o.MinVersion)
	}
	return tls.VersionName(o.MinVersion) + " to " + tls.VersionName(o.MaxVersion)
}

func (f form) spec(serverName string, oldest uint16, alpn []string) *utls.ClientHelloSpec {
	extensions := f.extensions(oldest)
	if len(alpn) > 0 {
		extensions = slices.Insert(extensions, 0, utls.TLSExtension(&utls.ALPNExtension{AlpnProtocols: alpn}))
	}
	if serverName != "" {
		extensions = slices.Insert(extensions, 0, utls.TLSExtension(&utls.SNIExtension{ServerName: serverName}))
	}
	return &utls.ClientHelloSpec{
		CipherSuites: f.suites(oldest), CompressionMethods: []uint8{0}, Extensions: extensions,
		TLSVersMin: oldest, TLSVersMax: f.version,
	}
}
