package hello

import (
	utls "github.com/refraction-networking/utls"
)

// sstpc13 is sstp-client 1.0.11 and later on OpenSSL 3 with its own list of ciphers, as it
// is by default: JA4 t13i301000_9bc4b2584674_d41ae481755e (FACTS 4.1, emulated with
// OpenSSL 3.0.19), padded to 512 bytes. Where nothing below TLS 1.3 is allowed, it is that
// of real captures: JA4 t13i040900_16476d049b0b_78f1d400d464, JA3
// c1e58b5fa361cf5bfc0635a61bd8573c.
//
// Sstp-client sends a name only with --tls-ext, and then with the port behind it, if
// it was given one ("vpn.example:9443").
var sstpc13 = form{
	version:   utls.VersionTLS13,
	sessionID: true,
	suites: func(oldest uint16) []uint16 {
		suites := []uint16{utls.TLS_AES_256_GCM_SHA384, utls.TLS_CHACHA20_POLY1305_SHA256, utls.TLS_AES_128_GCM_SHA256}
		if oldest < utls.VersionTLS13 {
			suites = append(suites, sstpcSuites...)
		}
		return append(suites, emptyRenegotiationInfo)
	},
	extensions: func(oldest uint16) []utls.TLSExtension {
		signatures, versions := opensslSignatures(), []uint16{utls.VersionTLS13, utls.VersionTLS12, utls.VersionTLS11, utls.VersionTLS10}
		if oldest == utls.VersionTLS13 {
			signatures, versions = signatures[:opensslSignatures13], versions[:1]
		}
		groups := append(opensslGroups(), 256, 257, 258, 259, 260) // ffdhe2048 to ffdhe8192: RFC 7919
		return append(opensslExtensions(groups, signatures),
			&utls.SupportedVersionsExtension{Versions: versions},
			pskModes(),
			&utls.KeyShareExtension{KeyShares: []utls.KeyShare{{Group: utls.X25519}}},
			paddingTo512(),
		)
	},
}

// sstpc12 is the same where TLS 1.3 is not allowed, from real captures: JA3
// 7acae02cc3219037bac12be28d2b1523, JA4 t12i270600_d660a41a3e0e_e7e480e5a997.
var sstpc12 = form{
	version: utls.VersionTLS12,
	suites:  fixed(append(append([]uint16(nil), sstpcSuites...), emptyRenegotiationInfo)),
	extensions: func(uint16) []utls.TLSExtension {
		return append(opensslExtensions(opensslGroups(), opensslSignatures()), paddingTo512())
	},
}

// sstpcSuites are sstp-client's list in the numbers of those that OpenSSL 3 has.
var sstpcSuites = []uint16{
	utls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, utls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
	utls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, utls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
	utls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, utls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
	0x009e, 0x009f, // DHE-RSA with AES-128-GCM and AES-256-GCM
	utls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256, utls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256,
	utls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA, 0xc028, // ECDHE-RSA with AES-256-CBC and SHA-384
	utls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA, 0xc024, // ECDHE-ECDSA with AES-256-CBC and SHA-384
	utls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA, utls.TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA,
	0x0067, 0x0033, 0x006b, 0x0039, // DHE-RSA with AES-CBC
	utls.TLS_RSA_WITH_AES_128_GCM_SHA256, utls.TLS_RSA_WITH_AES_256_GCM_SHA384,
	utls.TLS_RSA_WITH_AES_128_CBC_SHA256, rsaAES256CBCSHA256,
	utls.TLS_RSA_WITH_AES_128_CBC_SHA, utls.TLS_RSA_WITH_AES_256_CBC_SHA,
}

// opensslExtensions are those of all versions, in OpenSSL's order.
func opensslExtensions(groups []utls.CurveID, signatures []utls.SignatureScheme) []utls.TLSExtension {
	return []utls.TLSExtension{
		&utls.SupportedPointsExtension{SupportedPoints: []byte{0, 1, 2}},
		&utls.SupportedCurvesExtension{Curves: groups},
		&utls.SessionTicketExtension{},
		&utls.GenericExtension{Id: extensionEncryptThenMAC},
		&utls.ExtendedMasterSecretExtension{},
		&utls.SignatureAlgorithmsExtension{SupportedSignatureAlgorithms: signatures},
	}
}

func opensslGroups() []utls.CurveID {
	const x448 = 30
	return []utls.CurveID{utls.X25519, utls.CurveP256, x448, utls.CurveP521, utls.CurveP384}
}

// opensslSignatures13 is how many of opensslSignatures are for TLS 1.3.
const opensslSignatures13 = 14

// opensslSignatures are OpenSSL 3.0's at its default security level.
func opensslSignatures() []utls.SignatureScheme {
	return []utls.SignatureScheme{
		utls.ECDSAWithP256AndSHA256, utls.ECDSAWithP384AndSHA384, utls.ECDSAWithP521AndSHA512,
		utls.Ed25519, 0x0808, // Ed448
		0x0809, 0x080a, 0x080b, // RSASSA-PSS with keys of its own
		utls.PSSWithSHA256, utls.PSSWithSHA384, utls.PSSWithSHA512,
		utls.PKCS1WithSHA256, utls.PKCS1WithSHA384, utls.PKCS1WithSHA512,
		0x0303, 0x0301, 0x0302, // SHA-224 with ECDSA, RSA and DSA
		0x0402, 0x0502, 0x0602, // DSA with SHA-256, SHA-384 and SHA-512
	}
}
