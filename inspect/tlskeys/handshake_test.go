package tlskeys

import (
	"errors"
	"strings"
	"testing"

	"sstpwarden/inspect/tlswire"
)

// clearRecord returns a record of handshake messages that is not encrypted.
func clearRecord(client bool, messages ...tlswire.Message) taken {
	var b []byte
	for _, m := range messages {
		b = m.Append(b)
	}
	return taken{client, tlswire.Record{
		Type: tlswire.ContentHandshake, Version: tlswire.VersionTLS12, Length: len(b), Fragment: b,
	}}
}

func changeCipherSpec(client bool) taken {
	return taken{client, tlswire.Record{
		Type: tlswire.ContentChangeCipherSpec, Version: tlswire.VersionTLS12, Length: 1, Fragment: []byte{1},
	}}
}

func encrypted(client bool) taken {
	return taken{client, tlswire.Record{
		Type: tlswire.ContentApplicationData, Version: tlswire.VersionTLS12, Length: 40, Fragment: make([]byte, 40),
	}}
}

func clientHelloMessage() tlswire.Message {
	h := tlswire.ClientHello{
		Version:            tlswire.VersionTLS12,
		CipherSuites:       []tlswire.CipherSuite{0x1301, 0x1301, 0x002F},
		CompressionMethods: []uint8{0},
		Random:             [32]byte{1, 2, 3},
	}
	return tlswire.Message{Type: tlswire.HandshakeClientHello, Body: h.Append(nil)}
}

func serverHelloMessage(h tlswire.ServerHello) tlswire.Message {
	if h.Version == 0 {
		h.Version = tlswire.VersionTLS12
	}
	return tlswire.Message{Type: tlswire.HandshakeServerHello, Body: h.Append(nil)}
}

// What is negotiated may be out of reach. The reason says so, whether secrets
// are known or not.
func TestNegotiatedUnsupported(t *testing.T) {
	k := &Keys{}
	line := "CLIENT_RANDOM 010203" + strings.Repeat("00", 29) + " " + hex48
	if _, err := k.AddKeyLog(strings.NewReader(line)); err != nil {
		t.Fatal(err)
	}
	selected13 := []tlswire.Extension{{Type: tlswire.ExtensionSupportedVersions, Data: []byte{3, 4}}}
	tests := []struct {
		name  string
		hello tlswire.ServerHello
		want  string
	}{
		{"ssl 3.0", tlswire.ServerHello{Version: tlswire.VersionSSL30, CipherSuite: 0x002F}, "SSL 3.0 is not supported"},
		{"later version", tlswire.ServerHello{Version: 0x0399, CipherSuite: 0x002F}, "0x0399 is not supported"},
		{"compression", tlswire.ServerHello{CipherSuite: 0x002F, CompressionMethod: 1}, "TLS compression is not supported"},
		{"unknown suite", tlswire.ServerHello{CipherSuite: 0xEEEE}, "cipher suite 0xeeee is not known"},
		{"no suite", tlswire.ServerHello{}, "cipher suite 0x0000 is not known"},
		{"suite of tls 1.3", tlswire.ServerHello{CipherSuite: 0x1301}, "TLS_AES_128_GCM_SHA256 does not go with TLS 1.2"},
		{"suite of tls 1.2", tlswire.ServerHello{CipherSuite: 0x002F, Extensions: selected13}, "TLS_RSA_WITH_AES_128_CBC_SHA does not go with TLS 1.3"},
		{"tls 1.3 without secrets", tlswire.ServerHello{CipherSuite: 0x1301, Extensions: selected13}, "no secrets for client random 0102030000000000.."},
		{"cipher", tlswire.ServerHello{CipherSuite: 0x0007}, "cipher IDEA-CBC is not supported"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := k.NewOpener()
			got := openAll(t, o, []taken{
				clearRecord(true, clientHelloMessage()),
				clearRecord(false, serverHelloMessage(tt.hello)),
				changeCipherSpec(true), changeCipherSpec(false),
				encrypted(true), encrypted(false), encrypted(true),
			})
			if !strings.Contains(o.Reason(), tt.want) {
				t.Errorf("reason %q, want %q", o.Reason(), tt.want)
			}
			if len(got.Errors) != 3 || !errors.Is(errors.Join(got.Errors...), ErrNoSecrets) {
				t.Errorf("errors %v", got.Errors)
			}
		})
	}
}

func TestUnreadableHandshake(t *testing.T) {
	bad := tlswire.Message{Type: tlswire.HandshakeClientHello, Body: []byte{2, 2}}
	badServer := tlswire.Message{Type: tlswire.HandshakeServerHello, Body: []byte{2, 2}}
	rsaHello := serverHelloMessage(tlswire.ServerHello{CipherSuite: 0x002F})
	keyExchange := func(body ...byte) tlswire.Message {
		return tlswire.Message{Type: tlswire.HandshakeClientKeyExchange, Body: body}
	}
	tests := []struct {
		name    string
		records []taken
		want    string
	}{
		{"ClientHello", []taken{clearRecord(true, bad), encrypted(true)}, "the ClientHello cannot be read"},
		{"ServerHello", []taken{clearRecord(true, clientHelloMessage()), clearRecord(false, badServer, clientHelloMessage()), encrypted(false)}, "the ServerHello cannot be read"},
		{"empty record", []taken{clearRecord(true), encrypted(true)}, "the handshake was not captured"},
		{"key exchange", []taken{
			clearRecord(true, clientHelloMessage()), clearRecord(false, rsaHello),
			clearRecord(true, keyExchange(9)), changeCipherSpec(true), encrypted(true),
		}, "the ClientKeyExchange cannot be read"},
		{"key exchange's length", []taken{
			clearRecord(true, clientHelloMessage()), clearRecord(false, rsaHello),
			clearRecord(true, keyExchange(0, 3, 1, 2)), changeCipherSpec(true), encrypted(true),
		}, "the ClientKeyExchange cannot be read"},
		{"no key exchange", []taken{
			clearRecord(true, clientHelloMessage()), clearRecord(false, rsaHello),
			changeCipherSpec(true), encrypted(true),
		}, "the key exchange was not captured"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := otherRSAKey(t).NewOpener()
			got := openAll(t, o, tt.records)
			if !strings.Contains(o.Reason(), tt.want) {
				t.Errorf("reason %q, want %q", o.Reason(), tt.want)
			}
			if len(got.Errors) == 0 || !errors.Is(got.Errors[0], ErrNoSecrets) {
				t.Errorf("errors %v, want ErrNoSecrets", got.Errors)
			}
		})
	}
}

// Without all of the handshake's messages there is no extended master secret.
func TestSessionHashNeedsWholeHandshake(t *testing.T) {
	ems := []tlswire.Extension{{Type: tlswire.ExtensionExtendedMasterSecret}}
	certificate := tlswire.Message{Type: tlswire.HandshakeCertificate, Body: make([]byte, 100<<10)}
	keyExchange := tlswire.Message{Type: tlswire.HandshakeClientKeyExchange, Body: []byte{0, 0}}
	lost := clearRecord(false, certificate)
	lost.Fragment, lost.Damaged = nil, true
	resynced := clearRecord(false, certificate)
	resynced.Resynced = true
	for name, middle := range map[string][]taken{
		"damaged":  {lost},
		"resynced": {resynced},
		"too long": {clearRecord(false, certificate), clearRecord(false, certificate), clearRecord(false, certificate)},
	} {
		t.Run(name, func(t *testing.T) {
			records := []taken{
				clearRecord(true, clientHelloMessage()),
				clearRecord(false, serverHelloMessage(tlswire.ServerHello{CipherSuite: 0x002F, Extensions: ems})),
			}
			records = append(records, middle...)
			records = append(records, clearRecord(true, keyExchange), changeCipherSpec(true), encrypted(true))
			o := otherRSAKey(t).NewOpener()
			openAll(t, o, records)
			if want := "the handshake was not captured whole"; !strings.Contains(o.Reason(), want) {
				t.Errorf("reason %q, want %q", o.Reason(), want)
			}
		})
	}
}

// A record longer than any can be is refused before it is looked at.
func TestOpenTooLarge(t *testing.T) {
	o := (&Keys{}).NewOpener()
	openAll(t, o, []taken{clearRecord(true, clientHelloMessage())})
	r := encrypted(true)
	r.Fragment = make([]byte, tlswire.MaxFragmentLen+1)
	if _, _, err := o.Open(true, r.Record); !errors.Is(err, errTooLarge) {
		t.Errorf("error %v", err)
	}
	r.Fragment = nil // the caller's Stream did not keep it
	if _, _, err := o.Open(true, r.Record); !errors.Is(err, ErrLost) {
		t.Errorf("error %v, want ErrLost", err)
	}
}
