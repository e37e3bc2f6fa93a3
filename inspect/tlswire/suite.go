package tlswire

import (
	"cmp"
	"fmt"
	"slices"
)

// A CipherSuite is a cipher suite's number (RFC 8446, Appendix B.4).
type CipherSuite uint16

// Signalling values that clients put among their cipher suites. They are
// never negotiated, so SuiteByID does not know them.
const (
	EmptyRenegotiationInfoSCSV CipherSuite = 0x00FF // RFC 5746, Section 3.3
	FallbackSCSV               CipherSuite = 0x5600 // RFC 7507, Section 2
)

// String returns the IANA name, such as TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
// or the number in hexadecimal for a suite that the package does not know.
func (c CipherSuite) String() string {
	switch c {
	case EmptyRenegotiationInfoSCSV:
		return "TLS_EMPTY_RENEGOTIATION_INFO_SCSV"
	case FallbackSCSV:
		return "TLS_FALLBACK_SCSV"
	}
	if s, ok := SuiteByID(c); ok {
		return s.Name
	}
	return fmt.Sprintf("0x%04x", uint16(c))
}

// A Suite is what a cipher suite stands for.
type Suite struct {
	ID          CipherSuite
	Name        string // IANA's
	KeyExchange KeyExchange
	Cipher      Cipher
	MAC         Hash // of stream and CBC suites; HashNone for AEAD
	PRF         Hash // from TLS 1.2 on: HashSHA256 or HashSHA384
}

// SuiteByID returns the suite with the given number. Its result is false for
// numbers that are unknown, reserved or only signals.
func SuiteByID(id CipherSuite) (Suite, bool) {
	i, ok := slices.BinarySearchFunc(suites[:], id, func(s Suite, id CipherSuite) int {
		return cmp.Compare(s.ID, id)
	})
	if !ok {
		return Suite{}, false
	}
	return suites[i], true
}

// A KeyExchange is how a suite's keys are agreed on and the server is
// authenticated. The zero value is none of them.
type KeyExchange uint8

// Key exchange methods, named as in the cipher suites' names.
const (
	KeyExchangeRSA        KeyExchange = iota + 1 // the client encrypts the secret to the server's RSA key
	KeyExchangeDHRSA                             // static Diffie-Hellman, certificate signed with RSA
	KeyExchangeDHDSS                             // static Diffie-Hellman, certificate signed with DSS
	KeyExchangeDHERSA                            // ephemeral Diffie-Hellman signed with RSA
	KeyExchangeDHEDSS                            // ephemeral Diffie-Hellman signed with DSS
	KeyExchangeDHAnon                            // Diffie-Hellman without a certificate
	KeyExchangeECDHRSA                           // static elliptic-curve DH, certificate signed with RSA
	KeyExchangeECDHECDSA                         // static elliptic-curve DH, certificate signed with ECDSA
	KeyExchangeECDHERSA                          // ephemeral elliptic-curve DH signed with RSA
	KeyExchangeECDHEECDSA                        // ephemeral elliptic-curve DH signed with ECDSA or EdDSA
	KeyExchangeECDHAnon                          // elliptic-curve DH without a certificate
	KeyExchangePSK                               // pre-shared key
	KeyExchangeRSAPSK                            // pre-shared key, server authenticated with RSA
	KeyExchangeDHEPSK                            // pre-shared key with ephemeral Diffie-Hellman
	KeyExchangeECDHEPSK                          // pre-shared key with ephemeral elliptic-curve DH
	KeyExchangeSRP                               // password (RFC 5054), no certificate
	KeyExchangeSRPRSA                            // password, signed with RSA
	KeyExchangeSRPDSS                            // password, signed with DSS
	KeyExchangeTLS13                             // negotiated by extensions, not by the suite
)

var keyExchangeNames = [...]string{
	KeyExchangeRSA:        "RSA",
	KeyExchangeDHRSA:      "DH_RSA",
	KeyExchangeDHDSS:      "DH_DSS",
	KeyExchangeDHERSA:     "DHE_RSA",
	KeyExchangeDHEDSS:     "DHE_DSS",
	KeyExchangeDHAnon:     "DH_anon",
	KeyExchangeECDHRSA:    "ECDH_RSA",
	KeyExchangeECDHECDSA:  "ECDH_ECDSA",
	KeyExchangeECDHERSA:   "ECDHE_RSA",
	KeyExchangeECDHEECDSA: "ECDHE_ECDSA",
	KeyExchangeECDHAnon:   "ECDH_anon",
	KeyExchangePSK:        "PSK",
	KeyExchangeRSAPSK:     "RSA_PSK",
	KeyExchangeDHEPSK:     "DHE_PSK",
	KeyExchangeECDHEPSK:   "ECDHE_PSK",
	KeyExchangeSRP:        "SRP_SHA",
	KeyExchangeSRPRSA:     "SRP_SHA_RSA",
	KeyExchangeSRPDSS:     "SRP_SHA_DSS",
	KeyExchangeTLS13:      "TLS 1.3",
}

// String returns the method as cipher suite names spell it.
func (k KeyExchange) String() string { return enumName(keyExchangeNames[:], uint8(k)) }

// Anonymous says that the server proves nothing about itself: DH_anon and
// ECDH_anon. No Certificate message follows the ServerHello then.
func (k KeyExchange) Anonymous() bool {
	return k == KeyExchangeDHAnon || k == KeyExchangeECDHAnon
}

// A Hash is the hash function of a record MAC or of a PRF.
type Hash uint8

// Hash functions.
const (
	HashNone Hash = iota
	HashMD5
	HashSHA1
	HashSHA256
	HashSHA384
)

var hashNames = [...]string{"none", "MD5", "SHA-1", "SHA-256", "SHA-384"}

// String returns the function's usual name.
func (h Hash) String() string { return enumName(hashNames[:], uint8(h)) }

// Size returns the length of the digest in bytes, which in TLS is also that
// of the record MAC and of its key; 0 for HashNone.
func (h Hash) Size() int {
	switch h {
	case HashMD5:
		return 16
	case HashSHA1:
		return 20
	case HashSHA256:
		return 32
	case HashSHA384:
		return 48
	default:
		return 0
	}
}

// enumName returns names[v], or the number where there is no name for it.
func enumName(names []string, v uint8) string {
	if int(v) < len(names) && names[v] != "" {
		return names[v]
	}
	return fmt.Sprintf("%d", v)
}
