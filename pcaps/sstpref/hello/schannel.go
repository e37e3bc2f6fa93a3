package hello

import (
	utls "github.com/refraction-networking/utls"
)

// windows11 is SChannel of Windows 11 and Windows Server 2022 under WinHTTP, without ALPN.
//
// Order and content are of a published capture of Windows 11's curl (its JA3 is fae0e5d973c9...),
// less ALPN; without it, JA4 is the t13d201200_2b729b4bf6f3_e24568c0d440 that many programs on
// SChannel are published with. That the SSTP service is among them is inferred from
// its use of WinHTTP. The groups that key_share has keys for are inferred as well.
var windows11 = form{
	version:   utls.VersionTLS13,
	suites:    fixed(append([]uint16{utls.TLS_AES_256_GCM_SHA384, utls.TLS_AES_128_GCM_SHA256}, schannelSuites...)),
	sessionID: true,
	extensions: func(uint16) []utls.TLSExtension {
		return []utls.TLSExtension{
			&utls.StatusRequestExtension{},
			&utls.SupportedVersionsExtension{Versions: []uint16{utls.VersionTLS13, utls.VersionTLS12}},
			&utls.SignatureAlgorithmsExtension{SupportedSignatureAlgorithms: schannelSignatures()},
			&utls.SessionTicketExtension{},
			&utls.SupportedCurvesExtension{Curves: schannelGroups()},
			uncompressedPoints(),
			&utls.KeyShareExtension{KeyShares: []utls.KeyShare{{Group: utls.X25519}}},
			&utls.GenericExtension{Id: extensionPostHandshakeAuth},
			&utls.ExtendedMasterSecretExtension{},
			&utls.RenegotiationInfoExtension{},
			pskModes(),
		}
	},
}

// windows10 is SChannel of Windows 10 under WinHTTP, without ALPN: JA3
// a0e9f5d64349fb13191bc781f81f42e1, which many sources publish, and JA4
// t12d190800_d83cc789557e_7af1ed941c26, which FoxIO lists for WinINET on Windows 10
// and 11 (FACTS 4.1). That the SSTP service says this one is inferred. Builds up to
// 1607 have two suites more.
var windows10 = form{
	version: utls.VersionTLS12,
	suites:  fixed(append(append([]uint16(nil), schannelSuites...), utls.TLS_RSA_WITH_3DES_EDE_CBC_SHA)),
	extensions: func(uint16) []utls.TLSExtension {
		return []utls.TLSExtension{
			&utls.StatusRequestExtension{},
			&utls.SupportedCurvesExtension{Curves: schannelGroups()},
			uncompressedPoints(),
			&utls.SignatureAlgorithmsExtension{SupportedSignatureAlgorithms: schannelSignatures()},
			&utls.SessionTicketExtension{},
			&utls.ExtendedMasterSecretExtension{},
			&utls.RenegotiationInfoExtension{},
		}
	},
}

// windows7 is the SSTP service of Windows 7, from two real captures (FACTS 4.1): JA3
// 9a35e493f961ac377f948690b5334a9c, JA4 t10d120300_d94e65cdb899_33a13ba74d1c. It
// offers RC4, 3DES and DSS, and a name always. Records of TLS 1.0 are split after
// their first byte, as Windows 7 does since 2012 and did not in the captures.
var windows7 = form{
	version: utls.VersionTLS10,
	suites: fixed([]uint16{
		utls.TLS_RSA_WITH_AES_128_CBC_SHA, utls.TLS_RSA_WITH_AES_256_CBC_SHA,
		utls.TLS_RSA_WITH_RC4_128_SHA, utls.TLS_RSA_WITH_3DES_EDE_CBC_SHA,
		utls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA, utls.TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA,
		utls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA, utls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA,
		0x0032, 0x0038, 0x0013, // DHE-DSS with AES-128, AES-256 and 3DES
		0x0004, // RSA with RC4 and MD5
	}),
	extensions: func(uint16) []utls.TLSExtension {
		return []utls.TLSExtension{
			&utls.SupportedCurvesExtension{Curves: []utls.CurveID{utls.CurveP256, utls.CurveP384}},
			uncompressedPoints(),
		}
	},
}

// schannelSuites are what Windows 10 and 11 have in common.
var schannelSuites = []uint16{
	utls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, utls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
	utls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, utls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
	0xc024, utls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256,
	0xc028, utls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256, // 0xc024 and 0xc028: AES-256-CBC with SHA-384
	utls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA, utls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA,
	utls.TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA, utls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA,
	utls.TLS_RSA_WITH_AES_256_GCM_SHA384, utls.TLS_RSA_WITH_AES_128_GCM_SHA256,
	rsaAES256CBCSHA256, utls.TLS_RSA_WITH_AES_128_CBC_SHA256,
	utls.TLS_RSA_WITH_AES_256_CBC_SHA, utls.TLS_RSA_WITH_AES_128_CBC_SHA,
}

func schannelGroups() []utls.CurveID {
	return []utls.CurveID{utls.X25519, utls.CurveP256, utls.CurveP384}
}

func schannelSignatures() []utls.SignatureScheme {
	return []utls.SignatureScheme{
		utls.PSSWithSHA256, utls.PSSWithSHA384, utls.PSSWithSHA512,
		utls.PKCS1WithSHA256, utls.PKCS1WithSHA384, utls.PKCS1WithSHA1,
		utls.ECDSAWithP256AndSHA256, utls.ECDSAWithP384AndSHA384, utls.ECDSAWithSHA1,
		dsaWithSHA1, utls.PKCS1WithSHA512, utls.ECDSAWithP521AndSHA512,
	}
}
