package ppp_test

import (
	"fmt"
	"log"

	"sstpwarden/inspect/ppp"
)

// What an observer of an opened tunnel does with the payload of each SSTP data packet.
func Example() {
	payloads := [][]byte{
		unhex("ff03 c021 01 01 0014  02 06 00000000  05 06 436a27f1  07 02  08 02"),
		unhex("ff03 c023 01 01 0011  05 616c696365  06 736563726574"),
		unhex("21 4500003c"),
	}
	for _, payload := range payloads {
		f, err := ppp.ParseFrame(payload)
		if err != nil {
			log.Fatal(err)
		}
		if !f.Protocol.IsControl() {
			fmt.Println(f)
			continue
		}
		m, _, err := ppp.ParseMessage(f.Protocol, f.Payload)
		if err != nil {
			log.Fatal(err)
		}
		switch m := m.(type) {
		case ppp.Configure:
			fmt.Println(f.Protocol, m.Code)
			for _, o := range m.Options {
				fmt.Println("  ", ppp.OptionName(f.Protocol, o.OptionType()))
			}
		case ppp.PAPRequest:
			fmt.Printf("%q logs in with password %v\n", m.PeerID, m.Password)
		}
	}
	// Output:
	// LCP Configure-Request
	//    Async-Control-Character-Map
	//    Magic-Number
	//    Protocol-Field-Compression
	//    Address-and-Control-Field-Compression
	// "alice" logs in with password [redacted]
	// IPv4 frame, 4 octets
}

func ExampleConfigure_Append() {
	request := ppp.Configure{
		Code:       ppp.CodeConfigureRequest,
		Identifier: 1,
		Options:    []ppp.Option{ppp.MRU(1400), ppp.MagicNumber(0x4b493f31)},
	}
	payload, err := request.Append(nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%x\n", ppp.Frame{Protocol: ppp.ProtocolLCP, Payload: payload}.Append(nil))
	// Output: ff03c0210101000e0104057805064b493f31
}
