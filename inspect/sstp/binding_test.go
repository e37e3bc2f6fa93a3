package sstp_test

import (
	"crypto/hmac"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sstpwarden/inspect/sstp"
)

const (
	// MS-SSTP 4.7.
	specHLAKSHA256 = "2a1bb40d55ab0f5ef32f06f2b3cc73c48fd3fac41d7a1315a19228d9024ca164"
	specHLAKSHA1   = "4b3128f43925d9006eefb1c4e86515a1d88e56bab3ca2bdf0373b7f5a8a13b19"

	// The client's send key and receive key that follow from MasterKey in the
	// sample of RFC 3079, Section 3.5.3, which prints the latter as the
	// server's SendStartKey128. The RFC knows no CMK: those below, as those of
	// no keys, come from another implementation of MS-SSTP 3.2.5.2.2 and
	// 3.2.5.2.4, in Python.
	rfcHLAK = "d5f0e9521e3ea9589645e86051c82226 8b7cdc149b993a1ba118cb153f56dccb"
)

func TestCompoundMACKey(t *testing.T) {
	tests := []struct {
		name     string
		hlak     string
		protocol sstp.HashProtocol
		want     string
	}{
		{"MS-SSTP 4.7", specHLAKSHA256, sstp.HashProtocolSHA256, "ecf59ac9fe155cf0a9e7d66adc1b363c1ad7ba91a9217f0cec2a534298828df6"},
		{"MS-SSTP 4.7", specHLAKSHA1, sstp.HashProtocolSHA1, "a98b862a38cc7e224b42cd128586acb22f0bd1e9"},
		{"keys of RFC 3079", rfcHLAK, sstp.HashProtocolSHA256, "150707e682b16f4ca9430560c562894afd10050db4182d35c3e9e06284445271"},
		{"keys of RFC 3079", rfcHLAK, sstp.HashProtocolSHA1, "3afbff0ba79dd9743bd09949fa99f9d0c92d3698"},
		{"no keys", "", sstp.HashProtocolSHA256, "d342eb00477d6a37e1a184fb0168cb3ea3b6645fa0f227904d20eef5cb8f9327"},
		{"no keys", "", sstp.HashProtocolSHA1, "ae571ede1e11efb7bb85b8b4f07e15f0e086761a"},
	}
	for _, tt := range tests {
		t.Run(tt.name+", "+tt.protocol.String(), func(t *testing.T) {
			got, err := sstp.NewHLAK(unhex(t, tt.hlak)).CompoundMACKey(tt.protocol)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(unhex(t, tt.want), got); diff != "" {
				t.Errorf("CompoundMACKey (-want +got):\n%s", diff)
			}
		})
	}
}

func TestCompoundMAC(t *testing.T) {
	tests := []struct {
		name string
		hlak string
		wire string
	}{
		{"MS-SSTP 4.7, SHA256", specHLAKSHA256, specConnectedSHA256},
		{"MS-SSTP 4.7, SHA1", specHLAKSHA1, specConnectedSHA1},
		{
			// Accepted by accel-ppp 1.14; the HLAK follows from the password
			// and the NT-Response of the session.
			name: "sstp-client 1.0.18 after MS-CHAPv2",
			hlak: "7d54358973350b350d16a4eefb12b5b6 0b1618aaca10261851e61de1b7d83155",
			wire: "10 01 0070  0004 0001  00 03 0068  000000 02" +
				"4f50fafd1d2e03e08f3a9f58121dc8d111436a823e34cbdb8ae6bdd667ccb904" +
				"afa4920b445bf76e61d0ef79bce4f80ea382b09625267194bb8867abdb2befe2" +
				"7ce6232e85eb1ad8a0b65c12ec5f2929936b7eda2e374aacd99694847895804d",
		},
		{
			name: "sstp-client 1.0.18 after PAP",
			wire: "10 01 0070  0004 0001  00 03 0068  000000 02" +
				"52cba1009850a764f2b2cd82125989832539cee2e2a5824739f59972d002500b" +
				"afa4920b445bf76e61d0ef79bce4f80ea382b09625267194bb8867abdb2befe2" +
				"237a7d7bd984e4c938b5c3eddc05d253d3e8d2cb32e2cce1eba469de9b714831",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			wire := unhex(t, tt.wire)
			m, err := control(t, wire).Message()
			if err != nil {
				t.Fatal(err)
			}
			want := m.(sstp.CallConnected).CryptoBinding.CompoundMAC
			got, err := sstp.NewHLAK(unhex(t, tt.hlak)).CompoundMAC([sstp.CallConnectedLen]byte(wire))
			if err != nil {
				t.Fatal(err)
			}
			if !hmac.Equal(want, got) {
				t.Errorf("CompoundMAC = %x, want %x", got, want)
			}
			if diff := cmp.Diff(unhex(t, tt.wire), wire); diff != "" {
				t.Errorf("CompoundMAC changed the message (-before +after):\n%s", diff)
			}
		})
	}
}

// TestCompoundMACPadding proves that both paddings count as zeros.
func TestCompoundMACPadding(t *testing.T) {
	const ones12 = "ffffffffffffffffffffffff"
	wire := unhex(t, "10 01 0070  0004 0001  00 03 0068  000000 01"+specNonceSHA1+specCertSHA1+ones12+specMACSHA1+ones12)
	got, err := sstp.NewHLAK(unhex(t, specHLAKSHA1)).CompoundMAC([sstp.CallConnectedLen]byte(wire))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(unhex(t, specMACSHA1), got); diff != "" {
		t.Errorf("CompoundMAC (-want +got):\n%s", diff)
	}
}

func TestUnknownHashProtocol(t *testing.T) {
	for _, protocol := range []sstp.HashProtocol{0, 3, 4} {
		message := [sstp.CallConnectedLen]byte(unhex(t, specConnectedSHA256))
		message[15] = byte(protocol)
		if mac, err := (sstp.HLAK{}).CompoundMAC(message); mac != nil || err == nil {
			t.Errorf("CompoundMAC under %v = %x, %v, want an error", protocol, mac, err)
		}
		if key, err := (sstp.HLAK{}).CompoundMACKey(protocol); key != nil || err == nil {
			t.Errorf("CompoundMACKey(%v) = %x, %v, want an error", protocol, key, err)
		}
		if sum, err := sstp.CertHash(protocol, nil); sum != nil || err == nil {
			t.Errorf("CertHash(%v) = %x, %v, want an error", protocol, sum, err)
		}
	}
}

// TestCertHash has the vectors of FIPS 180 for "abc": a certificate is hashed
// like any bytes.
func TestCertHash(t *testing.T) {
	tests := []struct {
		protocol sstp.HashProtocol
		want     string
	}{
		{sstp.HashProtocolSHA1, "a9993e364706816aba3e25717850c26c9cd0d89d"},
		{sstp.HashProtocolSHA256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
	}
	for _, tt := range tests {
		got, err := sstp.CertHash(tt.protocol, []byte("abc"))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(unhex(t, tt.want), got); diff != "" {
			t.Errorf("CertHash(%v) (-want +got):\n%s", tt.protocol, diff)
		}
	}
}

func TestNewHLAK(t *testing.T) {
	long := make([]byte, 40)
	for i := range long {
		long[i] = byte(i + 1)
	}
	if got, want := sstp.NewHLAK(long), sstp.HLAK(long[:32]); got != want {
		t.Errorf("NewHLAK of 40 bytes = %x, want %x", got, want)
	}
	if got, want := sstp.NewHLAK([]byte{1, 2}), (sstp.HLAK{1, 2}); got != want {
		t.Errorf("NewHLAK of 2 bytes = %x, want %x", got, want)
	}
}
