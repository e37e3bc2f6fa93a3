package hello

import (
	"slices"

	utls "github.com/refraction-networking/utls"
)

// What uTLS has no names for.
const (
	emptyRenegotiationInfo = 0x00ff // signalling suite: RFC 5746, Section 3.3
	rsaAES256CBCSHA256     = 0x003d // TLS_RSA_WITH_AES_256_CBC_SHA256

	dsaWithSHA1 utls.SignatureScheme = 0x0202

	extensionEncryptThenMAC    = 22 // RFC 7366
	extensionPostHandshakeAuth = 49 // RFC 8446, Section 4.2.6
)

// fixed are suites that do not depend on the versions.
func fixed(suites []uint16) func(uint16) []uint16 {
	return func(uint16) []uint16 { return slices.Clone(suites) }
}

func uncompressedPoints() *utls.SupportedPointsExtension {
	return &utls.SupportedPointsExtension{SupportedPoints: []byte{0}}
}

// pskModes allows PSK with a key exchange (RFC 8446, Section 4.2.9).
func pskModes() *utls.PSKKeyExchangeModesExtension {
	return &utls.PSKKeyExchangeModesExtension{Modes: []uint8{utls.PskModeDHE}}
}

// paddingTo512 pads a hello of 256 to 511 bytes to 512, as OpenSSL and BoringSSL do (RFC 7685).
func paddingTo512() *utls.UtlsPaddingExtension {
	return &utls.UtlsPaddingExtension{GetPaddingLen: utls.BoringPaddingStyle}
}
