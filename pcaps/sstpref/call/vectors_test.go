package call_test

import (
	"bytes"
	"testing"

	"sstpwarden/inspect/sstp"
	"sstpwarden/pcaps/sstpref/call"
)

// TestVectors has whole exchanges: those of MS-SSTP 4.7, and one of sstp-client
// 1.0.18 with accel-ppp 1.14 after MS-CHAPv2 whose HLAK follows from the password
// and the NT-Response of that session.
func TestVectors(t *testing.T) {
	const requestWire = "10 01 00 0E 00 01 00 01 00 01 00 06 00 01"
	tests := []struct {
		name           string
		offers         sstp.HashProtocol
		hash           sstp.HashProtocol
		hlak, certHash string
		ack, connected string
	}{
		{
			name:     "SHA256",
			offers:   sstp.HashProtocolSHA256,
			hash:     sstp.HashProtocolSHA256,
			hlak:     "2A1BB40D55AB0F5EF32F06F2B3CC73C48FD3FAC41D7A1315A19228D9024CA164",
			certHash: "7993EF314C493DACE9F02D60E7E61C84B6690AAFE9D7AEEA92CBBE8AD599422D",
			ack:      "10010030 00020001 00040028 00000002 412B489AEBD7ECC7D08966F26BE7CD72B231A0E9210D7C91B308862B0344C435",
			connected: "10010070 00040001 00030068 00000002 412B489AEBD7ECC7D08966F26BE7CD72B231A0E9210D7C91B308862B0344C435" +
				"7993EF314C493DACE9F02D60E7E61C84B6690AAFE9D7AEEA92CBBE8AD599422D" +
				"52A68EFD8CFFBF52770B8F0FE8EC73716583AF6D611EB6D179B3B20840985449",
		},
		{
			name:     "SHA1",
			offers:   sstp.HashProtocolSHA1,
			hash:     sstp.HashProtocolSHA1,
			hlak:     "4B3128F43925D9006EEFB1C4E86515A1D88E56BAB3CA2BDF0373B7F5A8A13B19",
			certHash: "5826B629BDA59B8E6FD8DCD2622FD34C534805A5",
			ack:      "10010030 00020001 00040028 00000001 0F1A2D58D4A3E3000FAD3CE4906E07B707AA9E441CCEAC5CBD7B2CC1C9D86CDF",
			connected: "10010070 00040001 00030068 00000001 0F1A2D58D4A3E3000FAD3CE4906E07B707AA9E441CCEAC5CBD7B2CC1C9D86CDF" +
				"5826B629BDA59B8E6FD8DCD2622FD34C534805A5 000000000000000000000000" +
				"69915DD583D8062FEF16F61DB2F03290EC27CB6C 000000000000000000000000",
		},
		{
			name:     "sstp-client with accel-ppp",
			offers:   sstp.HashProtocolSHA1 | sstp.HashProtocolSHA256,
			hash:     sstp.HashProtocolSHA256,
			hlak:     "7d54358973350b350d16a4eefb12b5b6 0b1618aaca10261851e61de1b7d83155",
			certHash: "afa4920b445bf76e61d0ef79bce4f80ea382b09625267194bb8867abdb2befe2",
			ack:      "10010030 00020001 00040028 00000003 4f50fafd1d2e03e08f3a9f58121dc8d111436a823e34cbdb8ae6bdd667ccb904",
			connected: "10010070 00040001 00030068 00000002 4f50fafd1d2e03e08f3a9f58121dc8d111436a823e34cbdb8ae6bdd667ccb904" +
				"afa4920b445bf76e61d0ef79bce4f80ea382b09625267194bb8867abdb2befe2" +
				"7ce6232e85eb1ad8a0b65c12ec5f2929936b7eda2e374aacd99694847895804d",
		},
	}
	for _, tt := range tests {
		hlak := sstp.NewHLAK(unhex(t, tt.hlak))
		ackWire, connectedWire := unhex(t, tt.ack), unhex(t, tt.connected)
		t.Run(tt.name+", client", func(t *testing.T) {
			r := newRig(t, call.Client)
			r.SetCertHash(tt.hash, unhex(t, tt.certHash))
			r.Open(r.now)
			r.Receive(r.now, packet(t, ackWire))
			r.Authenticated(r.now, hlak)
			if len(r.sent) != 2 {
				t.Fatalf("sent %q", r.told())
			}
			for i, want := range [][]byte{unhex(t, requestWire), connectedWire} {
				if got := r.sent[i].Append(nil); !bytes.Equal(got, want) {
					t.Errorf("packet %d is\n%x, want\n%x", i, got, want)
				}
			}
		})
		t.Run(tt.name+", server", func(t *testing.T) {
			r := newRig(t, call.Server, func(c *call.Config) {
				c.HashProtocols = tt.offers
				c.Rand = bytes.NewReader(ackWire[sstp.CallConnectAckLen-sstp.NonceLen:])
			})
			r.SetCertHash(tt.hash, unhex(t, tt.certHash))
			r.Open(r.now)
			r.Receive(r.now, packet(t, unhex(t, requestWire)))
			if got := r.sent[0].Append(nil); !bytes.Equal(got, ackWire) {
				t.Errorf("Call Connect Ack is\n%x, want\n%x", got, ackWire)
			}
			r.Authenticated(r.now, hlak)
			r.Receive(r.now, packet(t, connectedWire))
			if r.State() != call.ServerCallConnected {
				t.Errorf("%v: %v", r.State(), r.Err())
			}
		})
	}
}
