package ja4_test

import (
	"fmt"

	"sstpwarden/inspect/ja4"
	"sstpwarden/inspect/tlswire"
)

// Two clients that differ in what they offer.
func ExampleJA4() {
	old := &tlswire.ClientHello{
		Version:      tlswire.VersionTLS10,
		CipherSuites: []tlswire.CipherSuite{0x002F, 0x0035, 0x0005, 0x000A},
	}
	newer := &tlswire.ClientHello{
		Version:      tlswire.VersionTLS12,
		CipherSuites: []tlswire.CipherSuite{0xC02F, 0xC030, 0x002F},
		Extensions:   []tlswire.Extension{{Type: tlswire.ExtensionExtendedMasterSecret}},
	}
	for _, h := range []*tlswire.ClientHello{old, newer} {
		fmt.Println(ja4.JA4(h))
		fmt.Println(ja4.Raw(h))
	}
	// Output:
	// t10i040000_cd059950e4e9_000000000000
	// t10i040000_0005,000a,002f,0035_
	// t12i030100_7adbb56324b3_1ca028f07214
	// t12i030100_002f,c02f,c030_0017
}
