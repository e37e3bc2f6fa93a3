package export

import (
	"sstpwarden/inspect"
	"sstpwarden/inspect/sstp"
)

// The limits of what a control message of SSTP begins with (MS-SSTP 2.2.2).
const (
	controlStart   = 0x1001 // version and C
	leastControl   = 8      // the header of a control packet
	mostControl    = 0x0fff // its length has 12 bits
	lastType       = int(sstp.MessageEchoResponse)
	mostAttributes = 8 // more than any message has
)

// messageType gives the number of a control message; 0 of "", any.
func messageType(name string) int {
	for t := sstp.MessageCallConnectRequest; t <= sstp.MessageEchoResponse; t++ {
		if t.String() == name {
			return int(t)
		}
	}
	return 0
}

// beyondMessages gives what is asked of SSTP's messages beyond those that
// begin a packet.
func beyondMessages(m *inspect.SSTPMatch) string {
	switch {
	case m.Data || m.Identification != nil:
		return "asks for PPP frames in SSTP, which takes reading the stream's packets one after the other"
	case m.Binding != "":
		return "compares the crypto binding with the certificate"
	case m.Reserved:
		return "asks for reserved bits in the headers of SSTP's packets, which takes reading the stream's packets one after the other"
	case m.Control == "both" && m.Message != "":
		return "asks for one message and for messages of both sides"
	}
	return ""
}
