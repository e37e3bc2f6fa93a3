package matrix

import (
	"sstpwarden/inspect/sstp"
	"sstpwarden/pcaps/pppref/pppauth"
)

// callTransforms change what the call and PPP say.
var callTransforms = []Transform{
	{Name: "no-call-connected", Family: "call", About: "no Call Connected, to a server that does without", apply: func(s *Setup) {
		s.Client.Profile.NoCallConnected = true
		s.Server.Profile.VerifyBinding = false
	}},
	{Name: "no-control", Family: "call", About: "no Call Connected, no echo, control messages unread, as mihomo does", apply: func(s *Setup) {
		s.Client.Profile.NoCallConnected, s.Client.Profile.IgnoreControl, s.Client.Profile.NoEchoResponse = true, true, true
		s.Server.Profile.VerifyBinding = false
	}},
	{Name: "binding-sha1", Family: "call", About: "a crypto binding with SHA-1", Servers: []string{"reference", "accel", "mikrotik"}, apply: func(s *Setup) { s.Client.Profile.Hash = sstp.HashProtocolSHA1 }},
	{Name: "auth-pap", Family: "call", About: "authentication by PAP", apply: authenticate(pppauth.PAP)},
	{Name: "auth-chap-md5", Family: "call", About: "authentication by CHAP with MD5", Servers: []string{"reference", "rras", "accel", "mikrotik"}, apply: authenticate(pppauth.CHAPMD5)},
	{Name: "auth-eap", Family: "call", About: "authentication by EAP with MSCHAPv2", Servers: []string{"reference", "rras"}, apply: authenticate(pppauth.EAPMSCHAPv2)},
	{Name: "mtu-300", Family: "call", About: "packets of 300 bytes at most in the tunnel", apply: func(s *Setup) { s.Client.MTU, s.Server.MTU = 300, 300 }},
	{Name: "disconnect-bare", Family: "call", About: "status attributes in no message, as few bytes as can be", apply: func(s *Setup) {
		s.Client.Profile.NoStatusInfo, s.Server.Profile.NoStatusInfo = true, true
	}},
}

func authenticate(m pppauth.Method) func(*Setup) {
	return func(s *Setup) {
		s.Client.Methods, s.Server.Methods = []pppauth.Method{m}, []pppauth.Method{m}
	}
}
