package capfile

import "testing"

func TestLinkTypeString(t *testing.T) {
	for link, want := range map[LinkType]string{
		LinkTypeEthernet:  "ethernet",
		LinkTypeRaw:       "raw",
		LinkTypeLinuxSLL:  "linux-sll",
		LinkTypeLinuxSLL2: "linux-sll2",
		LinkTypeNFLog:     "nflog",
		147:               "147",
		65535:             "65535",
	} {
		if got := link.String(); got != want {
			t.Errorf("LinkType(%d) is %q, want %q", uint16(link), got, want)
		}
	}
}
