package hello

import (
	utls "github.com/refraction-networking/utls"
)

// osc13 is Open SSTP Client: Conscrypt of Android 10 and later, on a processor with AES, as
// its source has it for an SSLEngine that nobody has set up: no ALPN, no session
// tickets, no GREASE, OCSP stapling. Nobody has published it, and there is no capture.
// The app lets its user choose versions and suites.
var osc13 = form{
	version:   utls.VersionTLS13,
	suites:    fixed(append([]uint16{utls.TLS_AES_128_GCM_SHA256, utls.TLS_AES_256_GCM_SHA384, utls.TLS_CHACHA20_POLY1305_SHA256}, conscryptSuites...)),
	sessionID: true,
	extensions: func(uint16) []utls.TLSExtension {
		return append(conscryptExtensions(),
			&utls.KeyShareExtension{KeyShares: []utls.KeyShare{{Group: utls.X25519}}},
			pskModes(),
			&utls.SupportedVersionsExtension{Versions: []uint16{utls.VersionTLS13, utls.VersionTLS12}},
			paddingTo512(),
		)
	},
}

// osc12 is the same with TLS 1.2 chosen, or before Android 10.
var osc12 = form{
	version:    utls.VersionTLS12,
	suites:     fixed(conscryptSuites),
	extensions: func(uint16) []utls.TLSExtension { return append(conscryptExtensions(), paddingTo512()) },
}

var conscryptSuites = []uint16{
	utls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, utls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
	utls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
	utls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, utls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
	utls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
	utls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA, utls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA,
	utls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA, utls.TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA,
	utls.TLS_RSA_WITH_AES_128_GCM_SHA256, utls.TLS_RSA_WITH_AES_256_GCM_SHA384,
	utls.TLS_RSA_WITH_AES_128_CBC_SHA, utls.TLS_RSA_WITH_AES_256_CBC_SHA,
}

// conscryptExtensions are those of all versions, in BoringSSL's order.
func conscryptExtensions() []utls.TLSExtension {
	return []utls.TLSExtension{
		&utls.ExtendedMasterSecretExtension{},
		&utls.RenegotiationInfoExtension{},
		&utls.SupportedCurvesExtension{Curves: []utls.CurveID{utls.X25519, utls.CurveP256, utls.CurveP384}},
		uncompressedPoints(),
		&utls.StatusRequestExtension{},
		&utls.SignatureAlgorithmsExtension{SupportedSignatureAlgorithms: []utls.SignatureScheme{
			utls.ECDSAWithP256AndSHA256, utls.PSSWithSHA256, utls.PKCS1WithSHA256,
			utls.ECDSAWithP384AndSHA384, utls.PSSWithSHA384, utls.PKCS1WithSHA384,
			utls.PSSWithSHA512, utls.PKCS1WithSHA512, utls.PKCS1WithSHA1,
		}},
	}
}

// mikrotik12 is RouterOS: TLS up to 1.2 and AES-CBC-SHA alone is all that is known (FACTS
// 4.1), and that it sends no name before RouterOS 7.15. The rest is made up: ECDHE in
// front of RSA, the extensions that TLS 1.2 cannot do without. There are no anonymous
// suites, which RouterOS uses with its own kind.
var mikrotik12 = form{
	version: utls.VersionTLS12,
	suites: fixed([]uint16{
		utls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA, utls.TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA,
		utls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA, utls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA,
		utls.TLS_RSA_WITH_AES_256_CBC_SHA, utls.TLS_RSA_WITH_AES_128_CBC_SHA,
		emptyRenegotiationInfo,
	}),
	sessionID: false,
	extensions: func(uint16) []utls.TLSExtension {
		return []utls.TLSExtension{
			&utls.SupportedCurvesExtension{Curves: []utls.CurveID{utls.CurveP256, utls.CurveP384, utls.CurveP521}},
			uncompressedPoints(),
			&utls.SignatureAlgorithmsExtension{SupportedSignatureAlgorithms: []utls.SignatureScheme{
				utls.PKCS1WithSHA256, utls.ECDSAWithP256AndSHA256, utls.PKCS1WithSHA384, utls.ECDSAWithP384AndSHA384,
				utls.PKCS1WithSHA512, utls.ECDSAWithP521AndSHA512, utls.PKCS1WithSHA1, utls.ECDSAWithSHA1,
			}},
		}
	},
}

// mihomo13 is Go's crypto/tls with its defaults, of which mihomo has a fork: JA3
// 9b7dcdf3f997f1fb7b4409c94cb7ef36, JA4 t13d131100_f57a46bbacb6_ab7e3b40a677, measured on
// Go 1.26 (FACTS 4.1). Which Go a mihomo was forked from is not known.
//
// Groups of ML-KEM with P-256 and P-384 are offered and cannot be done.
var mihomo13 = form{
	version:   utls.VersionTLS13,
	suites:    fixed(append(append([]uint16(nil), goSuites...), utls.TLS_AES_128_GCM_SHA256, utls.TLS_AES_256_GCM_SHA384, utls.TLS_CHACHA20_POLY1305_SHA256)),
	sessionID: true,
	extensions: func(uint16) []utls.TLSExtension {
		return append(goExtensions([]utls.CurveID{utls.X25519MLKEM768, 0x11eb, 0x11ed, utls.X25519, utls.CurveP256, utls.CurveP384, utls.CurveP521}),
			&utls.SupportedVersionsExtension{Versions: []uint16{utls.VersionTLS13, utls.VersionTLS12}},
			&utls.KeyShareExtension{KeyShares: []utls.KeyShare{{Group: utls.X25519MLKEM768}, {Group: utls.X25519}}},
		)
	},
}

// mihomo12 is the same with TLS 1.2 for the newest version.
var mihomo12 = form{
	version:   utls.VersionTLS12,
	suites:    fixed(goSuites),
	sessionID: true,
	extensions: func(uint16) []utls.TLSExtension {
		return append(goExtensions([]utls.CurveID{utls.X25519, utls.CurveP256, utls.CurveP384, utls.CurveP521}),
			&utls.SupportedVersionsExtension{Versions: []uint16{utls.VersionTLS12}})
	},
}

var goSuites = []uint16{
	utls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, utls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
	utls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, utls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
	utls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, utls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
	utls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA, utls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA,
	utls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA, utls.TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA,
}

func goExtensions(groups []utls.CurveID) []utls.TLSExtension {
	modern := []utls.SignatureScheme{
		utls.PSSWithSHA256, utls.ECDSAWithP256AndSHA256, utls.Ed25519, utls.PSSWithSHA384, utls.PSSWithSHA512,
		utls.PKCS1WithSHA256, utls.PKCS1WithSHA384, utls.PKCS1WithSHA512, utls.ECDSAWithP384AndSHA384, utls.ECDSAWithP521AndSHA512,
	}
	withSHA1 := append(append([]utls.SignatureScheme(nil), modern...), utls.PKCS1WithSHA1, utls.ECDSAWithSHA1)
	return []utls.TLSExtension{
		uncompressedPoints(),
		&utls.RenegotiationInfoExtension{},
		&utls.ExtendedMasterSecretExtension{},
		&utls.SCTExtension{},
		&utls.StatusRequestExtension{},
		&utls.SupportedCurvesExtension{Curves: groups},
		&utls.SignatureAlgorithmsExtension{SupportedSignatureAlgorithms: modern},
		&utls.SignatureAlgorithmsCertExtension{SupportedSignatureAlgorithms: withSHA1},
	}
}
