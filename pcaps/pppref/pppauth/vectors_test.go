package pppauth

import (
	"encoding/hex"
	"fmt"
	"testing"
	"unicode/utf16"

	"layeh.com/radius/rfc2759"

	"sstpwarden/inspect/ppp"
	"sstpwarden/inspect/sstp"
)

func unhex(s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return b
}

// Sessions of MS-CHAP-V2, each with everything that both ends compute.
var mschapVectors = []struct {
	source, name, password         string
	authenticator, peer, nt, proof string
	hlak                           string
}{
	{
		source: "RFC 2759, Section 9.2, and RFC 3079, Section 3.5.3",
		name:   "User", password: "clientPass",
		authenticator: "5b5d7c7d7b3f2f3e3c2c602132262628", peer: "21402324255e262a28295f2b3a337c7e",
		nt: "82309ecd8d708b5ea08faa3981cd83544233114a3d85d6df", proof: "407a5589115fd0d6209f510fe9c04566932cda56",
		hlak: "d5f0e9521e3ea9589645e86051c82226" + "8b7cdc149b993a1ba118cb153f56dccb",
	},
	{
		source: "RFC 2759, Section 9.2, with a domain, which does not count (Section 8.2)",
		name:   `DOM\User`, password: "clientPass",
		authenticator: "5b5d7c7d7b3f2f3e3c2c602132262628", peer: "21402324255e262a28295f2b3a337c7e",
		nt: "82309ecd8d708b5ea08faa3981cd83544233114a3d85d6df", proof: "407a5589115fd0d6209f510fe9c04566932cda56",
		hlak: "d5f0e9521e3ea9589645e86051c82226" + "8b7cdc149b993a1ba118cb153f56dccb",
	},
	{
		source: "a Rust client and accel-ppp 1.14",
		name:   "alice", password: "secret",
		authenticator: "2ae71abcb6f8b49985d34d3072830c0e", peer: "1c90f245a34cdf2c9c633f1b1cbcac1d",
		nt: "59302f634e6a389a31cbd232f7a4f8924564030f8b25aecc", proof: "bc799d5506b40e5463b42a6dcc4a42fe186ac3a2",
	},
	{
		source: "pppd 2.4.9 and accel-ppp 1.14",
		name:   "alice", password: "secret",
		authenticator: "22a3f134e96f335e19c2e6e05f0376a1", peer: "9d60a42faf8796bd92bea41efa14e6a5",
		nt: "b087ad12c2a24f65ccef118d67edb39a73e3a47b3d81c48f", proof: "e204e18af371fa8c9cb114aa12e166746a262f75",
	},
	{
		source: "pppd 2.4.9 and SoftEther 4.44",
		name:   "alice", password: "secret",
		authenticator: "ea896ab5e14e433f44f90e6c560f7936", peer: "f9c29c44a1cbcec78d73795f7005184b",
		nt: "026e9812558f40293c066630eb273977da13ecac7859bd95", proof: "ea4e6e88abcf6ab9176785a6f4ac8869078930ad",
	},
}

func TestComputeMSCHAP(t *testing.T) {
	for _, tt := range mschapVectors {
		t.Run(tt.source, func(t *testing.T) {
			s, err := computeMSCHAP([16]byte(unhex(tt.authenticator)), [16]byte(unhex(tt.peer)), tt.name, tt.password)
			if err != nil {
				t.Fatal(err)
			}
			got := fmt.Sprintf("%x %x", s.response, s.proof)
			if want := tt.nt + " " + tt.proof; got != want {
				t.Errorf("NT-Response and Authenticator Response %s\nwant %s", got, want)
			}
			if hlak := fmt.Sprintf("%x", s.hlak); tt.hlak != "" && hlak != tt.hlak {
				t.Errorf("HLAK %s\nwant %s", hlak, tt.hlak)
			}
		})
	}
}

// The Compound MACs of three Call Connected messages that real clients sent, after the sessions of mschapVectors with the
// same challenge; accel-ppp checked the first two and let the client in. They hold for the right HLAK only.
func TestHLAKAgainstCallConnected(t *testing.T) {
	connected := map[string]string{
		"2ae71abcb6f8b49985d34d3072830c0e": "10010070000400010003006800000002d6a4bb3a0ba01003ee0255b1758ade26" +
			"5be9785b210349d289262883d9b79ad0afa4920b445bf76e61d0ef79bce4f80ea382b09625267194bb8867abdb2befe2" +
			"6f115f5256bce03cd7d2650201f54d37ded808ed62d12a871383797496cc61ca",
		"22a3f134e96f335e19c2e6e05f0376a1": "100100700004000100030068000000024f50fafd1d2e03e08f3a9f58121dc8d1" +
			"11436a823e34cbdb8ae6bdd667ccb904afa4920b445bf76e61d0ef79bce4f80ea382b09625267194bb8867abdb2befe2" +
			"7ce6232e85eb1ad8a0b65c12ec5f2929936b7eda2e374aacd99694847895804d",
		"ea896ab5e14e433f44f90e6c560f7936": "100100700004000100030068000000024fa81cb1839ef8abb838b849c4c505dc" +
			"f0add2912be80c95c4e118d1dbfdd1bc3f7e724d2d3b851d0ca708b6f6c982f305cbd8edd9da39e1386365b7c6248947" +
			"ea9095a01515da023d4523756fb8328da183136bae32b2b7fc25415ff200ee02",
	}
	for _, tt := range mschapVectors {
		message := unhex(connected[tt.authenticator])
		if len(message) == 0 {
			continue
		}
		t.Run(tt.source, func(t *testing.T) {
			s, err := computeMSCHAP([16]byte(unhex(tt.authenticator)), [16]byte(unhex(tt.peer)), tt.name, tt.password)
			if err != nil {
				t.Fatal(err)
			}
			mac, err := s.hlak.CompoundMAC([sstp.CallConnectedLen]byte(message))
			if err != nil {
				t.Fatal(err)
			}
			if got, want := fmt.Sprintf("%x", mac), fmt.Sprintf("%x", message[80:]); got != want {
				t.Errorf("Compound MAC %s, the client sent %s", got, want)
			}
		})
	}
}

// The keys of a session of which only the NT-Response is known, from sstp-client's own test, and of RFC 3079, Section 3.5.3.
func TestKeys(t *testing.T) {
	tests := []struct{ password, response, hlak string }{
		{
			"DukeNuke3D", "859a0c0ece474df20d0ae831ac3ae3d24f826e93679e36bc",
			"000bc1dea2cb8516bc77f552b9ec5a03" + "93d92706f513a2ea50f8cd9469573cdb",
		},
		{
			"clientPass", "82309ecd8d708b5ea08faa3981cd83544233114a3d85d6df",
			"d5f0e9521e3ea9589645e86051c82226" + "8b7cdc149b993a1ba118cb153f56dccb",
		},
	}
	for _, tt := range tests {
		hlak, err := mschapKey(unhex(tt.response), []byte(tt.password))
		if got := fmt.Sprintf("%x", hlak); err != nil || got != tt.hlak {
			t.Errorf("key %s, %v\nwant %s", got, err, tt.hlak)
		}
	}
}

func TestPasswordBeyondASCII(t *testing.T) {
	for _, password := range []string{"gränslös", "пароль", "密码", "pass\U0001F511word"} {
		want := rfc2759.NTPasswordHash(utf16LE(password))
		got, err := rfc2759.ToUTF16([]byte(password))
		if err != nil {
			t.Fatal(err)
		}
		if fmt.Sprintf("%x", rfc2759.NTPasswordHash(got)) != fmt.Sprintf("%x", want) {
			t.Errorf("the hash of %q is not of its UTF-16", password)
		}
	}
	if _, err := computeMSCHAP([16]byte{}, [16]byte{}, "alice", "\xff"); err != errNotUTF8 { //nolint:errorlint // as it is
		t.Errorf("a password that is not UTF-8: %v, want %v", err, errNotUTF8)
	}
}

func utf16LE(s string) []byte {
	var b []byte
	for _, u := range utf16.Encode([]rune(s)) {
		b = append(b, byte(u), byte(u>>8))
	}
	return b
}

// RFC 1994 has no vectors; the digest is MD5 of the identifier, the secret and the challenge (Section 4.1), here by hand:
// printf '\001secretABCDEFGHIJKLMNOP' | md5sum.
func TestCHAPDigest(t *testing.T) {
	got := fmt.Sprintf("%x", chapDigest(1, "secret", []byte("ABCDEFGHIJKLMNOP")))
	if want := "5c0ce1101b906f54eb8c710c351b1f94"; got != want {
		t.Errorf("digest %s, want %s", got, want)
	}
}

// The peer's end against the bytes of real servers, and the authenticator's against those of real clients.
func TestRealExchanges(t *testing.T) {
	tests := []struct {
		name                         string
		challenge, response, verdict string // payloads of CHAP frames
		want                         State
	}{
		{
			"Rust client, accel-ppp",
			"0101001510" + "2ae71abcb6f8b49985d34d3072830c0e",
			"0201003b31" + "1c90f245a34cdf2c9c633f1b1cbcac1d0000000000000000" + "59302f634e6a389a31cbd232f7a4f8924564030f8b25aecc00" +
				hex.EncodeToString([]byte("alice")),
			"03010049" + hex.EncodeToString([]byte("S=BC799D5506B40E5463B42A6DCC4A42FE186AC3A2 M=Authentication succeeded")),
			Succeeded,
		},
		{
			"pppd, SoftEther",
			"0100001b10" + "ea896ab5e14e433f44f90e6c560f7936" + hex.EncodeToString([]byte("(none)")),
			"0200003b31" + "f9c29c44a1cbcec78d73795f7005184b0000000000000000" + "026e9812558f40293c066630eb273977da13ecac7859bd9500" +
				hex.EncodeToString([]byte("alice")),
			"0300002e" + hex.EncodeToString([]byte("S=EA4E6E88ABCF6AB9176785A6F4AC8869078930AD")),
			Succeeded,
		},
		{
			"pppd with a wrong password, accel-ppp",
			"0101001510" + "0fd9bc16e60a922030c694f8a6e4b6de",
			"0201003b31" + "b06978961246b11a66ad45aeb78eba260000000000000000" + "5a8f8bf701700ace651e586550017c87f647a41a6626287200" +
				hex.EncodeToString([]byte("alice")),
			"0401002a" + hex.EncodeToString([]byte("E=691 R=0 V=3 M=Authentication failure")),
			Failed,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			challenge, response, verdict := chapMessage(t, tt.challenge), chapMessage(t, tt.response), chapMessage(t, tt.verdict)
			value, err := ppp.ParseMSCHAPv2Response(response.(ppp.CHAPResponse).Value)
			if err != nil {
				t.Fatal(err)
			}

			c := Credentials{Name: "alice", Password: "secret"}
			c.Rand = &replay{value.PeerChallenge[:]}
			peer, err := NewPeer(MSCHAPv2, c)
			if err != nil {
				t.Fatal(err)
			}
			sent := peer.Receive(challenge)
			if got := payload(t, sent); tt.want == Succeeded && got != tt.response {
				t.Errorf("the peer answers %s\nthe real one %s", got, tt.response)
			}
			peer.Receive(verdict)
			if o := peer.Outcome(); o.State != tt.want {
				t.Errorf("the peer %v (%v), want %v", o.State, o.Err, tt.want)
			}

			challenger := challenge.(ppp.CHAPChallenge)
			a := Authenticator{Name: challenger.Name, Password: func(string) (string, bool) { return "secret", true }}
			if tt.challenge[:4] == "0101" {
				a.SuccessText, a.FailureText = "Authentication succeeded", "Authentication failure"
			}
			a.Rand = &replay{append(append(make([]byte, 16), challenger.Identifier), challenger.Value...)}
			server, err := NewAuthenticator(MSCHAPv2, a)
			if err != nil {
				t.Fatal(err)
			}
			if got := payload(t, server.Start()); got != tt.challenge {
				t.Errorf("the server challenges %s\nthe real one %s", got, tt.challenge)
			}
			if got := payload(t, server.Receive(response)); tt.want == Succeeded && got != tt.verdict {
				t.Errorf("the server answers %s\nthe real one %s", got, tt.verdict)
			}
			if o := server.Outcome(); o.State != tt.want || tt.want == Succeeded && o.HLAK != peer.Outcome().HLAK {
				t.Errorf("the server %v (%v), want %v and the peer's key", o.State, o.Err, tt.want)
			}
		})
	}
}

func chapMessage(t *testing.T, payload string) ppp.Message {
	t.Helper()
	b := unhex(payload)
	m, n, err := ppp.ParseMessage(ppp.ProtocolCHAP, b)
	if err != nil || n != len(b) {
		t.Fatalf("%s: %d of %d octets, %v", payload, n, len(b), err)
	}
	return m
}

func payload(t *testing.T, sent []ppp.Message) string {
	t.Helper()
	if len(sent) != 1 {
		t.Fatalf("%d messages, want 1", len(sent))
	}
	b, err := sent[0].Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(b)
}

// replay gives out bytes that were drawn once before.
type replay struct{ b []byte }

func (r *replay) Read(b []byte) (int, error) {
	n := copy(b, r.b)
	r.b = r.b[n:]
	return n, nil
}
