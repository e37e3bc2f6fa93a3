package tlswire

import (
	"errors"
	"fmt"
	"io"
)

// MaxMessageLen is the longest handshake message body in bytes that is put
// together. The longest that travel in clear are certificate chains, of some
// kilobytes; the protocol's own limit is 16 MiB.
const MaxMessageLen = 128 << 10

const messageHeaderLen = 4

// A HandshakeType says what a handshake message is (RFC 8446, Section 4; the
// IANA TLS HandshakeType registry).
type HandshakeType uint8

// Handshake types.
const (
	HandshakeHelloRequest          HandshakeType = 0
	HandshakeClientHello           HandshakeType = 1
	HandshakeServerHello           HandshakeType = 2
	HandshakeNewSessionTicket      HandshakeType = 4
	HandshakeEndOfEarlyData        HandshakeType = 5
	HandshakeEncryptedExtensions   HandshakeType = 8
	HandshakeCertificate           HandshakeType = 11
	HandshakeServerKeyExchange     HandshakeType = 12
	HandshakeCertificateRequest    HandshakeType = 13
	HandshakeServerHelloDone       HandshakeType = 14
	HandshakeCertificateVerify     HandshakeType = 15
	HandshakeClientKeyExchange     HandshakeType = 16
	HandshakeFinished              HandshakeType = 20
	HandshakeCertificateURL        HandshakeType = 21
	HandshakeCertificateStatus     HandshakeType = 22
	HandshakeSupplementalData      HandshakeType = 23
	HandshakeKeyUpdate             HandshakeType = 24
	HandshakeCompressedCertificate HandshakeType = 25
	HandshakeNextProtocol          HandshakeType = 67
)

var handshakeNames = [...]string{
	HandshakeHelloRequest:          "hello_request",
	HandshakeClientHello:           "client_hello",
	HandshakeServerHello:           "server_hello",
	HandshakeNewSessionTicket:      "new_session_ticket",
	HandshakeEndOfEarlyData:        "end_of_early_data",
	HandshakeEncryptedExtensions:   "encrypted_extensions",
	HandshakeCertificate:           "certificate",
	HandshakeServerKeyExchange:     "server_key_exchange",
	HandshakeCertificateRequest:    "certificate_request",
	HandshakeServerHelloDone:       "server_hello_done",
	HandshakeCertificateVerify:     "certificate_verify",
	HandshakeClientKeyExchange:     "client_key_exchange",
	HandshakeFinished:              "finished",
	HandshakeCertificateURL:        "certificate_url",
	HandshakeCertificateStatus:     "certificate_status",
	HandshakeSupplementalData:      "supplemental_data",
	HandshakeKeyUpdate:             "key_update",
	HandshakeCompressedCertificate: "compressed_certificate",
	HandshakeNextProtocol:          "next_protocol",
}

// String returns the type's name in the registry, or its number.
func (t HandshakeType) String() string { return enumName(handshakeNames[:], uint8(t)) }

func (t HandshakeType) known() bool {
	return int(t) < len(handshakeNames) && handshakeNames[t] != ""
}

// A Message is one handshake message (RFC 8446, Section 4).
type Message struct {
	Type HandshakeType
	Body []byte // without the header
}

// ParseMessage parses the message that b begins with and returns the number
// of bytes it takes. Body is a part of b.
//
//	 0          1          2          3          4
//	+----------+----------+----------+----------+------
//	| msg_type | length                         | body
//	+----------+----------+----------+----------+------
//
// Types that no stack sends in clear and bodies over [MaxMessageLen] are
// errors: they are what encrypted handshake records look like.
func ParseMessage(b []byte) (Message, int, error) {
	const section = "RFC 8446, Section 4"
	if len(b) == 0 {
		return Message{}, 0, io.ErrUnexpectedEOF
	}
	t := HandshakeType(b[0])
	if !t.known() {
		return Message{}, 0, &SyntaxError{Section: section, Field: "msg_type", Offset: 0, Value: b[0]}
	}
	// The length's first bytes alone can already say too much.
	var head [messageHeaderLen]byte
	n := copy(head[:], b)
	length := int(head[1])<<16 | int(head[2])<<8 | int(head[3])
	if length > MaxMessageLen || length > 0 && t == HandshakeHelloRequest {
		return Message{}, 0, &SyntaxError{Section: section, Field: "length", Offset: 1, Value: length}
	}
	if n < messageHeaderLen || len(b) < messageHeaderLen+length {
		return Message{}, 0, io.ErrUnexpectedEOF
	}
	n += length
	return Message{Type: t, Body: b[messageHeaderLen:n:n]}, n, nil
}

// Append appends the message with its header to b. It panics when Body has
// 16 MiB or more, which the length field cannot say.
func (m Message) Append(b []byte) []byte {
	n := len(m.Body)
	if n >= 1<<24 {
		panic(fmt.Sprintf("tlswire: handshake message of %d bytes", n))
	}
	b = append(b, byte(m.Type), byte(n>>16), byte(n>>8), byte(n))
	return append(b, m.Body...)
}

// A Handshake puts the fragments of one direction's handshake records
// together to messages: a message may take any number of records, and a record
// hold several messages (RFC 8446, Section 5.1).
//
// It cannot tell by itself where encryption begins. Up to TLS 1.2 that is the
// direction's change_cipher_spec record, after which its caller should feed
// no more. If fragments are fed none the less, it is most often soon Broken.
// From TLS 1.3 on that record means nothing (RFC 8446, Appendix D.4), and a
// ClientHello can follow it, the one that a HelloRetryRequest asks for.
//
// The zero Handshake is ready. It holds at most one message, of up to
// [MaxMessageLen] bytes. A Handshake is not safe for concurrent use.
type Handshake struct {
	buf    []byte
	broken bool
}

// Feed takes the next fragment and calls emit for every message that it
// completes. A message's body is valid only during the call that receives it.
func (h *Handshake) Feed(fragment []byte, emit func(Message)) {
	if h.broken {
		return
	}
	b := fragment
	if len(h.buf) > 0 {
		h.buf = append(h.buf, fragment...)
		b = h.buf
	}
	for len(b) > 0 {
		m, n, err := ParseMessage(b)
		switch {
		case err == nil:
			emit(m)
			b = b[n:]
			continue
		case !errors.Is(err, io.ErrUnexpectedEOF):
			h.broken = true
			b = nil
		}
		break
	}
	h.hold(b)
}

// hold keeps b, the beginning of a message, for the next call.
func (h *Handshake) hold(b []byte) {
	if len(b) == 0 {
		h.buf = nil // messages that span records are few, and flows are many
		return
	}
	if len(b) != len(h.buf) { // else nothing was taken off its front
		h.buf = append(h.buf[:0], b...)
	}
}

// Lose says that a fragment was lost or damaged. What is half put together is
// dropped, and the next fragment is taken to begin with a message, as it most
// often does.
func (h *Handshake) Lose() { h.buf = nil }

// Broken says that what came is not handshake messages: most often it is
// encrypted. It stays so, whatever follows.
func (h *Handshake) Broken() bool { return h.broken }
