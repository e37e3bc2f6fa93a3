package sstp_test

import (
	"crypto/hmac"
	"errors"
	"fmt"
	"io"

	"sstpwarden/inspect/sstp"
)

// A stream is read from a buffer that may end anywhere.
func ExampleParsePacket() {
	buffer := []byte("\x10\x01\x00\x0e\x00\x01\x00\x01\x00\x01\x00\x06\x00\x01" +
		"\x10\x00\x00\x0c\xff\x03\xc0\x21\x09\x01\x00\x04" +
		"\x10\x01\x00")
	for {
		p, n, err := sstp.ParsePacket(buffer)
		if errors.Is(err, io.ErrUnexpectedEOF) {
			fmt.Println(len(buffer), "bytes wait for more")
			return
		}
		if err != nil {
			fmt.Println("not SSTP:", err)
			return
		}
		buffer = buffer[n:]
		if !p.Control {
			fmt.Printf("PPP frame %x\n", p.Data)
			continue
		}
		m, err := p.ControlMessage()
		if err != nil {
			fmt.Println("not SSTP:", err)
			return
		}
		fmt.Println(m.Type, m.Validate())
	}
	// Output:
	// call_connect_request []
	// PPP frame ff03c02109010004
	// 3 bytes wait for more
}

// A client makes the crypto binding in two steps: it lays out the message
// without the Compound MAC, then computes that over the message.
func ExampleHLAK_CompoundMAC() {
	certificate := []byte("the server's certificate in DER")
	hlak := sstp.NewHLAK(nil) // PAP makes no keys
	ack := sstp.CryptoBindingRequest{HashProtocolBitmask: sstp.HashProtocolSHA1 | sstp.HashProtocolSHA256}

	binding := sstp.CryptoBinding{HashProtocol: ack.HashProtocolBitmask.Strongest(), Nonce: ack.Nonce}
	var err error
	if binding.CertHash, err = sstp.CertHash(binding.HashProtocol, certificate); err != nil {
		fmt.Println(err)
		return
	}
	message := sstp.AppendMessage(nil, sstp.CallConnected{CryptoBinding: binding})
	if binding.CompoundMAC, err = hlak.CompoundMAC([sstp.CallConnectedLen]byte(message)); err != nil {
		fmt.Println(err)
		return
	}
	message = sstp.AppendMessage(nil, sstp.CallConnected{CryptoBinding: binding})

	// The server computes it again over what it received.
	want, err := hlak.CompoundMAC([sstp.CallConnectedLen]byte(message))
	fmt.Println(binding.HashProtocol, len(message), hmac.Equal(want, binding.CompoundMAC), err)
	// Output: sha256 112 true <nil>
}
