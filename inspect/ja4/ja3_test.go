package ja4_test

import (
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sstpwarden/inspect/ja4"
	"sstpwarden/inspect/tlswire"
)

// message returns the body of a handshake message taken from a capture of a
// real program.
func message(t testing.TB, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "tlswire", "testdata", name+".hex"))
	if err != nil {
		t.Fatal(err)
	}
	b, err := hex.DecodeString(strings.Join(strings.Fields(string(text)), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func clientHello(t testing.TB, name string) *tlswire.ClientHello {
	t.Helper()
	h, err := tlswire.ParseClientHello(message(t, name))
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// parsed returns h with its extensions decoded.
func parsed(t testing.TB, h *tlswire.ClientHello) *tlswire.ClientHello {
	t.Helper()
	h, err := tlswire.ParseClientHello(h.Append(nil))
	if err != nil {
		t.Fatal(err)
	}
	if len(h.Malformed) > 0 {
		t.Fatalf("malformed: %v", h.Malformed)
	}
	return h
}

// windows7 is the hello of Windows 7's SSTP client, as two public captures
// have it.
func windows7(t testing.TB) *tlswire.ClientHello {
	return parsed(t, &tlswire.ClientHello{
		Version:            tlswire.VersionTLS10,
		CipherSuites:       []tlswire.CipherSuite{47, 53, 5, 10, 49171, 49172, 49161, 49162, 50, 56, 19, 4},
		CompressionMethods: []uint8{0},
		Extensions: []tlswire.Extension{
			{Type: 0, Data: []byte("\x00\x0e\x00\x00\x0bvpn.example")},
			{Type: 10, Data: []byte{0, 4, 0, 23, 0, 24}},
			{Type: 11, Data: []byte{1, 0}},
		},
	})
}

// openSSL is the hello of OpenSSL 3.0 with sstpc's list of cipher suites and
// TLS 1.3 allowed, put together from what two clients of OpenSSL send.
func openSSL(t testing.TB, serverName bool) *tlswire.ClientHello {
	h := clientHello(t, "client_hello_rust_tls12")
	h.CipherSuites = append([]tlswire.CipherSuite{4866, 4867, 4865}, clientHello(t, "client_hello_sstpc_tls12").CipherSuites...)
	if !serverName {
		h.Extensions = h.Extensions[1:]
	}
	return parsed(t, h)
}

// The expected values are those of tshark 4.0.17 for the same bytes.
func TestJA3(t *testing.T) {
	for _, tt := range []struct {
		name  string
		hello *tlswire.ClientHello
		text  string
		want  string
	}{
		{
			"Windows 7", windows7(t),
			"769,47-53-5-10-49171-49172-49161-49162-50-56-19-4,0-10-11,23-24,0",
			"9a35e493f961ac377f948690b5334a9c",
		},
		{
			"sstpc, TLS 1.2", clientHello(t, "client_hello_sstpc_tls12"),
			"771,52393-52392-49195-49199-49196-49200-158-159-49187-49191-49161-49192-49171-49188-49162-49172-" +
				"103-51-107-57-156-157-60-61-47-53-255,11-10-35-22-23-13,29-23-30-25-24,0-1-2",
			"7acae02cc3219037bac12be28d2b1523",
		},
		{
			"sstpc, TLS 1.3", clientHello(t, "client_hello_sstpc_tls13"),
			"771,4866-4867-4865-255,0-11-10-35-22-23-13-43-45-51,29-23-30-25-24-256-257-258-259-260,0-1-2",
			"f146948b4a599d4d7ddf071b74696983",
		},
		{
			"OpenSSL as sstpc sets it up", openSSL(t, false),
			"771,4866-4867-4865-52393-52392-49195-49199-49196-49200-158-159-49187-49191-49161-49192-49171-49188-" +
				"49162-49172-103-51-107-57-156-157-60-61-47-53-255,11-10-35-22-23-13-43-45-51-21," +
				"29-23-30-25-24-256-257-258-259-260,0-1-2",
			"aa35acccd6b1166fadf958d3b4fb43ce",
		},
		{
			"OpenSSL as sstpc sets it up, SNI", openSSL(t, true),
			"771,4866-4867-4865-52393-52392-49195-49199-49196-49200-158-159-49187-49191-49161-49192-49171-49188-" +
				"49162-49172-103-51-107-57-156-157-60-61-47-53-255,0-11-10-35-22-23-13-43-45-51-21," +
				"29-23-30-25-24-256-257-258-259-260,0-1-2",
			"3b9cf9a37665ca7a672d4ffabbd6ae0c",
		},
		{
			"Go 1.26", clientHello(t, "client_hello_go126"),
			"771,49195-49199-49196-49200-52393-52392-49161-49171-49162-49172-4865-4866-4867," +
				"0-11-65281-23-18-5-10-13-50-43-51,4588-4587-4589-29-23-24-25,0",
			"9b7dcdf3f997f1fb7b4409c94cb7ef36",
		},
		{
			"Rust client", clientHello(t, "client_hello_rust_tls12"),
			"771,4866-4867-4865-49196-49200-159-52393-52392-52394-49195-49199-158-49188-49192-107-49187-49191-" +
				"103-49162-49172-57-49161-49171-51-157-156-61-60-53-47-255,0-11-10-35-22-23-13-43-45-51-21," +
				"29-23-30-25-24-256-257-258-259-260,0-1-2",
			"d39e1be3241d516b1f714bd47c2bc968",
		},
		{
			"Chromium, with GREASE", clientHello(t, "client_hello_chromium"),
			"771,4865-4866-4867-49195-49199-49196-49200-52393-52392-49171-49172-156-157-47-53," +
				"43-13-5-11-35-45-18-51-51764-0-65037-16-23-17613-10-65281-27,4588-29-23-24,0",
			"43eaf2663902d0c2ddf13cd72978a8f7",
		},
	} {
		if got := ja4.JA3String(tt.hello); got != tt.text {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.text)
		}
		if got := ja4.JA3(tt.hello); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

func TestJA3S(t *testing.T) {
	hello := func(name string) *tlswire.ServerHello {
		h, err := tlswire.ParseServerHello(message(t, name))
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	for _, tt := range []struct {
		name  string
		hello *tlswire.ServerHello
		text  string
		want  string
	}{
		{
			"Windows Server 2008 R2", &tlswire.ServerHello{Version: tlswire.VersionTLS10, CipherSuite: 0x2F},
			"769,47,", "18e962e106761869a61045bed0e81c2c",
		},
		{
			"SoftEther", hello("server_hello_softether_tls12"),
			"771,47,65281-22-23", "db2edd5778449f837468dbd45c6b1b14",
		},
		{
			"accel-ppp", hello("server_hello_accel_tls12"),
			"771,52392,65281-11-35-23", "8d9cb13b8234edb41f8767322f753064",
		},
		{
			"nginx", hello("server_hello_nginx_tls13"),
			"771,4866,43-51", "15af977ce25de452b96affa2addb1036",
		},
	} {
		if got := ja4.JA3SString(tt.hello); got != tt.text {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.text)
		}
		if got := ja4.JA3S(tt.hello); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}
