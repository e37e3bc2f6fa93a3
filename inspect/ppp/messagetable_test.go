package ppp_test

import (
	"net/netip"

	"sstpwarden/inspect/ppp"
)

// messageTests go both ways: bytes parse to the message, the message appends to bytes. Those with the name of a program
// were sent by it.
var messageTests = []struct {
	name     string
	protocol ppp.Protocol
	bytes    string
	message  ppp.Message
}{
	{
		"LCP Configure-Request, Windows 7",
		ppp.ProtocolLCP,
		"01 00 0015  01 04 0ffb  05 06 4b493f31  07 02  08 02  0d 03 06",
		ppp.Configure{Code: ppp.CodeConfigureRequest, Options: []ppp.Option{
			ppp.MRU(4091),
			ppp.MagicNumber(0x4b493f31),
			ppp.ProtocolFieldCompression{},
			ppp.AddressAndControlFieldCompression{},
			ppp.Callback{Operation: ppp.CallbackCBCP},
		}},
	},
	{
		"LCP Configure-Request, Windows Server 2008 R2",
		ppp.ProtocolLCP,
		`01 00 0034  01 04 0ffb  03 04 c227  05 06 28641e7b  07 02  08 02  0d 03 06  11 04 064e
		13 17 01 fb630ee6acca46aa853b78be65c5c79300000000`,
		ppp.Configure{Code: ppp.CodeConfigureRequest, Options: []ppp.Option{
			ppp.MRU(4091),
			ppp.AuthenticationProtocol{Protocol: ppp.ProtocolEAP},
			ppp.MagicNumber(0x28641e7b),
			ppp.ProtocolFieldCompression{},
			ppp.AddressAndControlFieldCompression{},
			ppp.Callback{Operation: ppp.CallbackCBCP},
			ppp.MRRU(1614),
			ppp.EndpointDiscriminator{
				Class:   ppp.EndpointLocal,
				Address: unhex("fb630ee6acca46aa853b78be65c5c79300000000"),
			},
		}},
	},
	{
		"LCP Configure-Request, pppd 2.4.9",
		ppp.ProtocolLCP,
		"01 01 0014  02 06 00000000  05 06 436a27f1  07 02  08 02",
		ppp.Configure{Code: ppp.CodeConfigureRequest, Identifier: 1, Options: []ppp.Option{
			ppp.ACCM(0),
			ppp.MagicNumber(0x436a27f1),
			ppp.ProtocolFieldCompression{},
			ppp.AddressAndControlFieldCompression{},
		}},
	},
	{
		"LCP Configure-Request, accel-ppp 1.14",
		ppp.ProtocolLCP,
		"01 7d 0013  03 05 c22381  01 04 0578  05 06 51cc726f",
		ppp.Configure{Code: ppp.CodeConfigureRequest, Identifier: 0x7d, Options: []ppp.Option{
			ppp.AuthenticationProtocol{Protocol: ppp.ProtocolCHAP, Algorithm: ppp.CHAPMSCHAPv2},
			ppp.MRU(1400),
			ppp.MagicNumber(0x51cc726f),
		}},
	},
	{
		"LCP Configure-Nak, pppd 2.4.9",
		ppp.ProtocolLCP,
		"03 00 0009  03 05 c22381",
		ppp.Configure{Code: ppp.CodeConfigureNak, Options: []ppp.Option{
			ppp.AuthenticationProtocol{Protocol: ppp.ProtocolCHAP, Algorithm: ppp.CHAPMSCHAPv2},
		}},
	},
	{
		"LCP Configure-Ack without options, pppd 2.4.9",
		ppp.ProtocolLCP,
		"02 02 0004",
		ppp.Configure{Code: ppp.CodeConfigureAck, Identifier: 2},
	},
	{
		"LCP options unknown or of another length",
		ppp.ProtocolLCP,
		`01 07 0029  00 02  01 03 05  02 02  03 02  03 04 c223  03 05 c02300  05 03 00  07 03 00  08 03 00  0d 02
		11 02  13 02  17 04 0001`,
		ppp.Configure{Code: ppp.CodeConfigureRequest, Identifier: 7, Options: []ppp.Option{
			ppp.RawOption{Type: 0},
			ppp.RawOption{Type: 1, Data: []byte{5}},
			ppp.RawOption{Type: 2},
			ppp.RawOption{Type: 3},
			ppp.RawOption{Type: 3, Data: unhex("c223")},
			ppp.RawOption{Type: 3, Data: unhex("c02300")},
			ppp.RawOption{Type: 5, Data: []byte{0}},
			ppp.RawOption{Type: 7, Data: []byte{0}},
			ppp.RawOption{Type: 8, Data: []byte{0}},
			ppp.RawOption{Type: 13},
			ppp.RawOption{Type: 17},
			ppp.RawOption{Type: 19},
			ppp.RawOption{Type: 23, Data: []byte{0, 1}},
		}},
	},
	{
		"LCP Terminate-Request, Windows: magic number and error code",
		ppp.ProtocolLCP,
		"05 06 0010  4b493f31 003ccd74 00000000",
		ppp.Terminate{
			Code: ppp.CodeTerminateRequest, Identifier: 6, Data: unhex("4b493f31 003ccd74 00000000"),
		},
	},
	{
		"LCP Terminate-Ack",
		ppp.ProtocolLCP,
		"06 36 0004",
		ppp.Terminate{Code: ppp.CodeTerminateAck, Identifier: 0x36},
	},
	{
		"LCP Code-Reject",
		ppp.ProtocolLCP,
		"07 09 000a  0c 03 0006 4d53",
		ppp.CodeReject{Identifier: 9, Rejected: unhex("0c 03 0006 4d53")},
	},
	{
		"LCP Protocol-Reject, SoftEther 4.44",
		ppp.ProtocolLCP,
		"08 03 0014  8057  01 01 000e  01 0a 858d2ece1a843fd9",
		ppp.ProtocolReject{
			Identifier: 3, Protocol: ppp.ProtocolIPV6CP, Rejected: secretHex("01 01 000e  01 0a 858d2ece1a843fd9"),
		},
	},
	{
		"LCP Protocol-Reject without the packet, accel-ppp 1.14",
		ppp.ProtocolLCP,
		"08 7f 0006  8057",
		ppp.ProtocolReject{Identifier: 0x7f, Protocol: ppp.ProtocolIPV6CP},
	},
	{
		"LCP Echo-Request, SoftEther 4.44",
		ppp.ProtocolLCP,
		"09 05 0018  00000000  41686f2042616b61204d616e756b6500",
		ppp.Echo{Code: ppp.CodeEchoRequest, Identifier: 5, Data: []byte("Aho Baka Manuke\x00")},
	},
	{
		"LCP Echo-Reply, accel-ppp 1.14",
		ppp.ProtocolLCP,
		"0a 00 0008  51cc726f",
		ppp.Echo{Code: ppp.CodeEchoReply, MagicNumber: 0x51cc726f},
	},
	{
		"LCP Discard-Request",
		ppp.ProtocolLCP,
		"0b 01 0009  00000001  ff",
		ppp.Echo{Code: ppp.CodeDiscardRequest, Identifier: 1, MagicNumber: 1, Data: []byte{0xff}},
	},
	{
		"LCP Identification, Windows 7",
		ppp.ProtocolLCP,
		"0c 01 0012  4b493f31  4d53 5241 5356 352e 3230",
		ppp.Identification{Identifier: 1, MagicNumber: 0x4b493f31, Message: "MSRASV5.20"},
	},
	{
		"LCP Time-Remaining",
		ppp.ProtocolLCP,
		"0d 02 0010  4b493f31  0000003c  736f6f6e",
		ppp.TimeRemaining{Identifier: 2, MagicNumber: 0x4b493f31, Seconds: 60, Message: "soon"},
	},
	{
		"LCP unknown code",
		ppp.ProtocolLCP,
		"0e 01 0006  abcd",
		ppp.Packet{Code: 14, Identifier: 1, Data: unhex("abcd")},
	},
	{
		"IPCP Configure-Request, Windows 7",
		ppp.ProtocolIPCP,
		"01 05 0022  03 06 00000000  81 06 00000000  82 06 00000000  83 06 00000000  84 06 00000000",
		ppp.Configure{Code: ppp.CodeConfigureRequest, Identifier: 5, Options: []ppp.Option{
			ppp.IPCPAddress{Type: ppp.IPAddress, Addr: netip.IPv4Unspecified()},
			ppp.IPCPAddress{Type: ppp.PrimaryDNS, Addr: netip.IPv4Unspecified()},
			ppp.IPCPAddress{Type: ppp.PrimaryNBNS, Addr: netip.IPv4Unspecified()},
			ppp.IPCPAddress{Type: ppp.SecondaryDNS, Addr: netip.IPv4Unspecified()},
			ppp.IPCPAddress{Type: ppp.SecondaryNBNS, Addr: netip.IPv4Unspecified()},
		}},
	},
	{
		"IPCP Configure-Reject, SoftEther 4.44",
		ppp.ProtocolIPCP,
		"04 01 0010  02 06 002d0f01  83 06 00000000",
		ppp.Configure{Code: ppp.CodeConfigureReject, Identifier: 1, Options: []ppp.Option{
			ppp.IPCompressionProtocol{MaxSlotID: 15, CompSlotID: true},
			ppp.IPCPAddress{Type: ppp.SecondaryDNS, Addr: netip.IPv4Unspecified()},
		}},
	},
	{
		"IPCP Configure-Nak, SoftEther 4.44",
		ppp.ProtocolIPCP,
		"03 02 0010  03 06 c0a81e0a  81 06 c0a81e01",
		ppp.Configure{Code: ppp.CodeConfigureNak, Identifier: 2, Options: []ppp.Option{
			ppp.IPCPAddress{Type: ppp.IPAddress, Addr: netip.MustParseAddr("192.168.30.10")},
			ppp.IPCPAddress{Type: ppp.PrimaryDNS, Addr: netip.MustParseAddr("192.168.30.1")},
		}},
	},
	{
		"IPCP options unknown or of another form",
		ppp.ProtocolIPCP,
		"01 01 0025  02 06 002d0f02  02 06 00610000  02 04 0037  02 06 002d0000  03 05 010203  04 06 0a000001",
		ppp.Configure{Code: ppp.CodeConfigureRequest, Identifier: 1, Options: []ppp.Option{
			ppp.RawOption{Type: 2, Data: unhex("002d0f02")},
			ppp.RawOption{Type: 2, Data: unhex("00610000")},
			ppp.RawOption{Type: 2, Data: unhex("0037")},
			ppp.IPCompressionProtocol{},
			ppp.RawOption{Type: 3, Data: unhex("010203")},
			ppp.RawOption{Type: 4, Data: unhex("0a000001")},
		}},
	},
	{
		"IPCP has no echo",
		ppp.ProtocolIPCP,
		"09 01 0004",
		ppp.Packet{Code: 9, Identifier: 1},
	},
	{
		"IPV6CP Configure-Request, pppd 2.4.9",
		ppp.ProtocolIPV6CP,
		"01 01 000e  01 0a 858d2ece1a843fd9",
		ppp.Configure{Code: ppp.CodeConfigureRequest, Identifier: 1, Options: []ppp.Option{
			ppp.InterfaceIdentifier{0x85, 0x8d, 0x2e, 0xce, 0x1a, 0x84, 0x3f, 0xd9},
		}},
	},
	{
		"IPV6CP option of another length",
		ppp.ProtocolIPV6CP,
		"01 01 0008  01 04 0000",
		ppp.Configure{Code: ppp.CodeConfigureRequest, Identifier: 1, Options: []ppp.Option{
			ppp.RawOption{Type: 1, Data: []byte{0, 0}},
		}},
	},
	{
		"CCP Configure-Request, Windows Server 2008 R2",
		ppp.ProtocolCCP,
		"01 04 000a  12 06 01000001",
		ppp.Configure{Code: ppp.CodeConfigureRequest, Identifier: 4, Options: []ppp.Option{
			ppp.MPPEStateless | ppp.MPPC,
		}},
	},
	{
		"CCP other compression",
		ppp.ProtocolCCP,
		"01 04 0008  1a 04 7800",
		ppp.Configure{Code: ppp.CodeConfigureRequest, Identifier: 4, Options: []ppp.Option{
			ppp.RawOption{Type: 26, Data: unhex("7800")},
		}},
	},
	{
		"a network control protocol without options of ours",
		0x8029,
		"01 01 0008  01 04 0000",
		ppp.Configure{Code: ppp.CodeConfigureRequest, Identifier: 1, Options: []ppp.Option{
			ppp.RawOption{Type: 1, Data: []byte{0, 0}},
		}},
	},
	{
		"CBCP no callback, Windows Server 2008 R2",
		ppp.ProtocolCBCP,
		"01 01 0006  01 02",
		ppp.CBCP{Code: ppp.CBCPRequest, Identifier: 1, Options: []ppp.Option{
			ppp.CallbackOption{Type: ppp.NoCallback},
		}},
	},
	{
		"CBCP numbers",
		ppp.ProtocolCBCP,
		"02 01 0021  01 03 09  02 08 05 01 35353500  03 03 07  04 0a 00 01 313100 02 3200  02 05 00 01 00",
		ppp.CBCP{Code: ppp.CBCPResponse, Identifier: 1, Options: []ppp.Option{
			ppp.CallbackOption{Type: ppp.NoCallback, Delay: 9},
			ppp.CallbackOption{
				Type: ppp.CallbackToUserNumber, Delay: 5, Addresses: []ppp.CallbackAddress{{Type: 1, Address: "555"}},
			},
			ppp.CallbackOption{Type: ppp.CallbackToAdminNumber, Delay: 7},
			ppp.CallbackOption{
				Type:      ppp.CallbackToListNumber,
				Addresses: []ppp.CallbackAddress{{Type: 1, Address: "11"}, {Type: 2, Address: "2"}},
			},
			ppp.CallbackOption{Type: ppp.CallbackToUserNumber, Addresses: []ppp.CallbackAddress{{Type: 1}}},
		}},
	},
	{
		"CBCP options unknown or of another form",
		ppp.ProtocolCBCP,
		"03 01 000f  05 02  02 02  02 07 00 01 313131",
		ppp.CBCP{Code: ppp.CBCPAck, Identifier: 1, Options: []ppp.Option{
			ppp.RawOption{Type: 5},
			ppp.RawOption{Type: 2},
			ppp.RawOption{Type: 2, Data: unhex("0001313131")},
		}},
	},
	{
		"CBCP unknown code",
		ppp.ProtocolCBCP,
		"04 01 0004",
		ppp.Packet{Code: 4, Identifier: 1},
	},
	{
		"PAP Authenticate-Request, pppd 2.4.9",
		ppp.ProtocolPAP,
		"01 01 0011  05 616c696365  06 736563726574",
		ppp.PAPRequest{Identifier: 1, PeerID: "alice", Password: secret("secret")},
	},
	{
		"PAP Authenticate-Request, empty",
		ppp.ProtocolPAP,
		"01 01 0006  00  00",
		ppp.PAPRequest{Identifier: 1},
	},
	{
		"PAP Authenticate-Ack, accel-ppp 1.14",
		ppp.ProtocolPAP,
		"02 01 001d  18 41757468656e7469636174696f6e20737563636565646564",
		ppp.PAPAck{Identifier: 1, Message: "Authentication succeeded"},
	},
	{
		"PAP Authenticate-Nak",
		ppp.ProtocolPAP,
		"03 01 0008  03 6e6f21",
		ppp.PAPNak{Identifier: 1, Message: "no!"},
	},
	{
		"PAP unknown code",
		ppp.ProtocolPAP,
		"04 01 0005  00",
		ppp.Packet{Code: 4, Identifier: 1, Data: []byte{0}},
	},
	{
		"CHAP Challenge, SoftEther 4.44",
		ppp.ProtocolCHAP,
		"01 00 001b  10 1a88f60d7c2500b4a24bb33a790ab63c  286e6f6e6529",
		ppp.CHAPChallenge{Value: unhex("1a88f60d7c2500b4a24bb33a790ab63c"), Name: "(none)"},
	},
	{
		"CHAP Response, pppd 2.4.9",
		ppp.ProtocolCHAP,
		`02 00 003b  31 28a4e7367e7c1a3c531d5d7412dc6fa2 0000000000000000
		a2bd1e7c9ad60561c0ee6fd590e0e3d8d36d6a32484e7a60 00  616c696365`,
		ppp.CHAPResponse{
			Value: secretHex(`28a4e7367e7c1a3c531d5d7412dc6fa2 0000000000000000
			a2bd1e7c9ad60561c0ee6fd590e0e3d8d36d6a32484e7a60 00`),
			Name: "alice",
		},
	},
	{
		"CHAP Success",
		ppp.ProtocolCHAP,
		"03 00 0007  4f4b21",
		ppp.CHAPSuccess{Message: "OK!"},
	},
	{
		"CHAP Failure, accel-ppp 1.14",
		ppp.ProtocolCHAP,
		"04 01 002a  453d36393120523d3020563d33204d3d41757468656e7469636174696f6e206661696c757265",
		ppp.CHAPFailure{Identifier: 1, Message: "E=691 R=0 V=3 M=Authentication failure"},
	},
	{
		"CHAP change of the password",
		ppp.ProtocolCHAP,
		"07 01 0006  0000",
		ppp.Packet{Code: 7, Identifier: 1, Data: []byte{0, 0}},
	},
	{
		"EAP Request Identity",
		ppp.ProtocolEAP,
		"01 01 0005  01",
		ppp.EAP{Code: ppp.EAPRequest, Identifier: 1, Data: ppp.EAPIdentity("")},
	},
	{
		"EAP Response Identity",
		ppp.ProtocolEAP,
		"02 01 000c  01 434f5250 5c6a6f",
		ppp.EAP{Code: ppp.EAPResponse, Identifier: 1, Data: ppp.EAPIdentity(`CORP\jo`)},
	},
	{
		"EAP Notification",
		ppp.ProtocolEAP,
		"01 02 0007  02 6869",
		ppp.EAP{Code: ppp.EAPRequest, Identifier: 2, Data: ppp.EAPNotification("hi")},
	},
	{
		"EAP Nak",
		ppp.ProtocolEAP,
		"02 02 0007  03 1a 19",
		ppp.EAP{
			Code: ppp.EAPResponse, Identifier: 2, Data: ppp.EAPNak{ppp.EAPTypeMSCHAPv2, ppp.EAPTypePEAP},
		},
	},
	{
		"EAP MD5-Challenge",
		ppp.ProtocolEAP,
		"02 02 000a  04 02 abcd 6a6f",
		ppp.EAP{
			Code: ppp.EAPResponse, Identifier: 2, Data: ppp.EAPMD5Challenge{Value: secretHex("abcd"), Name: "jo"},
		},
	},
	{
		"EAP-TLS start",
		ppp.ProtocolEAP,
		"01 03 0006  0d 20",
		ppp.EAP{
			Code: ppp.EAPRequest, Identifier: 3, Data: ppp.EAPTLS{Type: ppp.EAPTypeTLS, Flags: ppp.EAPTLSStart},
		},
	},
	{
		"EAP-TLS first of several fragments",
		ppp.ProtocolEAP,
		"02 03 000c  0d c0 00001234 1603",
		ppp.EAP{Code: ppp.EAPResponse, Identifier: 3, Data: ppp.EAPTLS{
			Type:   ppp.EAPTypeTLS,
			Flags:  ppp.EAPTLSLengthIncluded | ppp.EAPTLSMoreFragments,
			Length: 0x1234, Fragment: unhex("1603"),
		}},
	},
	{
		"PEAP with version 1",
		ppp.ProtocolEAP,
		"02 03 0008  19 01 1603",
		ppp.EAP{Code: ppp.EAPResponse, Identifier: 3, Data: ppp.EAPTLS{
			Type: ppp.EAPTypePEAP, Flags: 1, Fragment: unhex("1603"),
		}},
	},
	{
		"EAP MSCHAPv2 Challenge",
		ppp.ProtocolEAP,
		"01 04 001c  1a  01 05 0017  10 000102030405060708090a0b0c0d0e0f  7376",
		ppp.EAP{Code: ppp.EAPRequest, Identifier: 4, Data: ppp.EAPMSCHAPv2{
			OpCode: ppp.EAPMSCHAPv2Challenge,
			Message: ppp.CHAPChallenge{
				Identifier: 5, Value: unhex("000102030405060708090a0b0c0d0e0f"), Name: "sv",
			},
		}},
	},
	{
		"EAP MSCHAPv2 Response",
		ppp.ProtocolEAP,
		"02 04 000e  1a  02 05 0009  02 abcd  6a6f",
		ppp.EAP{Code: ppp.EAPResponse, Identifier: 4, Data: ppp.EAPMSCHAPv2{
			OpCode:  ppp.EAPMSCHAPv2Response,
			Message: ppp.CHAPResponse{Identifier: 5, Value: secretHex("abcd"), Name: "jo"},
		}},
	},
	{
		"EAP MSCHAPv2 Success",
		ppp.ProtocolEAP,
		"01 04 000b  1a  03 05 0006  533d",
		ppp.EAP{Code: ppp.EAPRequest, Identifier: 4, Data: ppp.EAPMSCHAPv2{
			OpCode: ppp.EAPMSCHAPv2Success, Message: ppp.CHAPSuccess{Identifier: 5, Message: "S="},
		}},
	},
	{
		"EAP MSCHAPv2 Failure",
		ppp.ProtocolEAP,
		"01 04 000b  1a  04 05 0006  453d",
		ppp.EAP{Code: ppp.EAPRequest, Identifier: 4, Data: ppp.EAPMSCHAPv2{
			OpCode: ppp.EAPMSCHAPv2Failure, Message: ppp.CHAPFailure{Identifier: 5, Message: "E="},
		}},
	},
	{
		"EAP MSCHAPv2 acknowledgement",
		ppp.ProtocolEAP,
		"02 04 0006  1a  03",
		ppp.EAP{
			Code: ppp.EAPResponse, Identifier: 4, Data: ppp.EAPMSCHAPv2{OpCode: ppp.EAPMSCHAPv2Success},
		},
	},
	{
		"EAP MSCHAPv2 change of the password",
		ppp.ProtocolEAP,
		"02 04 0008  1a  07 05 00",
		ppp.EAP{
			Code: ppp.EAPResponse, Identifier: 4,
			Data: ppp.EAPOpaque{Type: ppp.EAPTypeMSCHAPv2, Data: secretHex("070500")},
		},
	},
	{
		"EAP GTC",
		ppp.ProtocolEAP,
		"02 04 0009  06  70617373",
		ppp.EAP{
			Code: ppp.EAPResponse, Identifier: 4, Data: ppp.EAPOpaque{Type: ppp.EAPTypeGTC, Data: secret("pass")},
		},
	},
	{
		"EAP Success",
		ppp.ProtocolEAP,
		"03 04 0004",
		ppp.EAP{Code: ppp.EAPSuccess, Identifier: 4},
	},
	{
		"EAP Failure",
		ppp.ProtocolEAP,
		"04 04 0004",
		ppp.EAP{Code: ppp.EAPFailure, Identifier: 4},
	},
	{
		"EAP unknown code",
		ppp.ProtocolEAP,
		"05 04 0005  01",
		ppp.Packet{Code: 5, Identifier: 4, Data: []byte{1}},
	},
}
