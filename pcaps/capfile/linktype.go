package capfile

import "strconv"

// LinkType says what a packet's bytes begin with: the LINKTYPE_ value of the
// registry at https://www.tcpdump.org/linktypes.html.
//
// A Reader passes on values it does not know; what can be decoded is for the
// consumer to say.
type LinkType uint16

// The link types that carry IP in practice, and those that people capture by
// mistake and want named in a message.
const (
	LinkTypeNull              LinkType = 0   // BSD loopback, family in the capturing host's byte order
	LinkTypeEthernet          LinkType = 1   // Ethernet II or IEEE 802.3
	LinkTypeTokenRing         LinkType = 6   // IEEE 802.5
	LinkTypePPP               LinkType = 9   // PPP, possibly with an HDLC header
	LinkTypeFDDI              LinkType = 10  // FDDI
	LinkTypePPPHDLC           LinkType = 50  // PPP in HDLC-like framing
	LinkTypePPPEther          LinkType = 51  // PPPoE session packets
	LinkTypeRaw               LinkType = 101 // IPv4 or IPv6, told apart by the version nibble
	LinkTypeCHDLC             LinkType = 104 // Cisco HDLC
	LinkTypeIEEE80211         LinkType = 105 // Wi-Fi
	LinkTypeFrameRelay        LinkType = 107 // Frame Relay
	LinkTypeLoop              LinkType = 108 // OpenBSD loopback, family in network byte order
	LinkTypeLinuxSLL          LinkType = 113 // Linux "cooked" capture
	LinkTypePFLog             LinkType = 117 // OpenBSD pf log
	LinkTypeIEEE80211Prism    LinkType = 119 // Wi-Fi behind a Prism header
	LinkTypeIEEE80211Radiotap LinkType = 127 // Wi-Fi behind a radiotap header
	LinkTypePPPPPPD           LinkType = 166 // PPP as pppd records it: a direction byte first
	LinkTypePPI               LinkType = 192 // Per-Packet Information header
	LinkTypeUSBLinux          LinkType = 220 // USB with the Linux header
	LinkTypeIPv4              LinkType = 228 // IPv4
	LinkTypeIPv6              LinkType = 229 // IPv6
	LinkTypeNFLog             LinkType = 239 // Linux netfilter log
	LinkTypeUSBPcap           LinkType = 249 // USB with the USBPcap header
	LinkTypeNetlink           LinkType = 253 // Linux netlink
	LinkTypeLinuxSLL2         LinkType = 276 // Linux "cooked" capture, version 2
)

var linkTypeNames = map[LinkType]string{
	LinkTypeNull:              "null",
	LinkTypeEthernet:          "ethernet",
	LinkTypeTokenRing:         "token-ring",
	LinkTypePPP:               "ppp",
	LinkTypeFDDI:              "fddi",
	LinkTypePPPHDLC:           "ppp-hdlc",
	LinkTypePPPEther:          "ppp-ether",
	LinkTypeRaw:               "raw",
	LinkTypeCHDLC:             "c-hdlc",
	LinkTypeIEEE80211:         "ieee802-11",
	LinkTypeFrameRelay:        "frelay",
	LinkTypeLoop:              "loop",
	LinkTypeLinuxSLL:          "linux-sll",
	LinkTypePFLog:             "pflog",
	LinkTypeIEEE80211Prism:    "ieee802-11-prism",
	LinkTypeIEEE80211Radiotap: "ieee802-11-radiotap",
	LinkTypePPPPPPD:           "ppp-pppd",
	LinkTypePPI:               "ppi",
	LinkTypeUSBLinux:          "usb-linux",
	LinkTypeIPv4:              "ipv4",
	LinkTypeIPv6:              "ipv6",
	LinkTypeNFLog:             "nflog",
	LinkTypeUSBPcap:           "usbpcap",
	LinkTypeNetlink:           "netlink",
	LinkTypeLinuxSLL2:         "linux-sll2",
}

// String is the registry's name in lower case, or the number.
func (t LinkType) String() string {
	if name, ok := linkTypeNames[t]; ok {
		return name
	}
	return strconv.Itoa(int(t))
}

// linkTypeOf turns the value a file holds into a LinkType. 12 and 14 are DLT_RAW
// of different systems, which belongs in memory; some programs write it to files
// where LINKTYPE_RAW (101) belongs, and neither number has another use there.
func linkTypeOf(v uint16) LinkType {
	if v == 12 || v == 14 {
		return LinkTypeRaw
	}
	return LinkType(v)
}
