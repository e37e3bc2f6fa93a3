package ppp_test

import (
	"fmt"
	"testing"

	"sstpwarden/inspect/ppp"
)

func TestNames(t *testing.T) {
	tests := []struct {
		first uint8
		name  func(uint8) string
		want  []string // from first on
	}{
		{0, func(v uint8) string { return ppp.Code(v).String() }, []string{
			"code 0", "Configure-Request", "Configure-Ack", "Configure-Nak", "Configure-Reject", "Terminate-Request",
			"Terminate-Ack", "Code-Reject", "Protocol-Reject", "Echo-Request", "Echo-Reply", "Discard-Request",
			"Identification", "Time-Remaining", "code 14",
		}},
		{0, func(v uint8) string { return ppp.CBCPCode(v).String() }, []string{
			"code 0", "Callback-Request", "Callback-Response", "Callback-Ack", "code 4",
		}},
		{0, func(v uint8) string { return ppp.EAPCode(v).String() }, []string{
			"code 0", "Request", "Response", "Success", "Failure", "code 5",
		}},
		{0, func(v uint8) string { return ppp.EAPMSCHAPv2OpCode(v).String() }, []string{
			"OpCode 0", "Challenge", "Response", "Success", "Failure", "OpCode 5",
		}},
		{0, func(v uint8) string { return ppp.CallbackOperation(v).String() }, []string{
			"user authentication", "dialing string", "location identifier", "E.164 number", "X.500 distinguished name",
			"operation 5", "CBCP", "operation 7",
		}},
		{0, func(v uint8) string { return ppp.EndpointClass(v).String() }, []string{
			"null", "local", "IP", "MAC", "magic numbers", "directory number", "class 6",
		}},
		{0, func(v uint8) string { return ppp.CallbackType(v).String() }, []string{
			"option 0", "No callback", "Callback to a user-specified number",
			"Callback to an administrator-defined number", "Callback to any of a list of numbers", "option 5",
		}},
		{128, func(v uint8) string { return ppp.IPCPAddressType(v).String() }, []string{
			"option 128", "Primary-DNS-Address", "Primary-NBNS-Address", "Secondary-DNS-Address",
			"Secondary-NBNS-Address", "option 133",
		}},
		{4, func(v uint8) string { return ppp.CHAPAlgorithm(v).String() }, []string{"algorithm 0x04", "MD5"}},
		{128, func(v uint8) string { return ppp.CHAPAlgorithm(v).String() }, []string{"MS-CHAP", "MS-CHAP-V2"}},
		{0, func(v uint8) string { return ppp.EAPType(v).String() }, []string{
			"type 0", "Identity", "Notification", "Nak", "MD5-Challenge", "OTP", "GTC", "type 7",
		}},
		{17, func(v uint8) string { return ppp.EAPType(v).String() }, []string{
			"type 17", "SIM", "type 19", "type 20", "TTLS", "type 22", "AKA", "type 24", "PEAP", "MSCHAPv2",
		}},
		{13, func(v uint8) string { return ppp.EAPType(v).String() }, []string{"TLS"}},
		{43, func(v uint8) string { return ppp.EAPType(v).String() }, []string{"FAST"}},
		{50, func(v uint8) string { return ppp.EAPType(v).String() }, []string{"AKA'", "type 51", "PWD"}},
		{55, func(v uint8) string { return ppp.EAPType(v).String() }, []string{"TEAP"}},
		{254, func(v uint8) string { return ppp.EAPType(v).String() }, []string{"expanded", "type 255"}},
	}
	for _, tt := range tests {
		for i, want := range tt.want {
			if got := tt.name(tt.first + uint8(i)); got != want {
				t.Errorf("name of %d = %q, want %q", tt.first+uint8(i), got, want)
			}
		}
	}
}

func TestOptionName(t *testing.T) {
	tests := []struct {
		protocol ppp.Protocol
		option   uint8
		want     string
	}{
		{ppp.ProtocolLCP, 5, "Magic-Number"},
		{ppp.ProtocolLCP, 200, "option 200"},
		{ppp.ProtocolIPCP, 3, "IP-Address"},
		{ppp.ProtocolIPV6CP, 1, "Interface-Identifier"},
		{ppp.ProtocolCCP, 18, "MPPC/MPPE"},
		{ppp.ProtocolCBCP, 1, "No callback"},
		{ppp.ProtocolECP, 1, "option 1"},
	}
	for _, tt := range tests {
		if got := ppp.OptionName(tt.protocol, tt.option); got != tt.want {
			t.Errorf("OptionName(%v, %d) = %q, want %q", tt.protocol, tt.option, got, tt.want)
		}
	}
}

func TestValueText(t *testing.T) {
	id := ppp.InterfaceIdentifier{0x02, 0x8a, 0x8d, 0x2e, 0xce, 0x1a, 0x84, 0x3f}
	tests := []struct {
		value fmt.Stringer
		want  string
	}{
		{ppp.MPPE(0), "0x0"},
		{ppp.MPPEStateless | ppp.MPPC, "stateless MPPC"},
		{ppp.MPPE(0x010000f3), "stateless 56-bit 128-bit 40-bit obsolete MPPC 0x2"},
		{ppp.AuthenticationProtocol{Protocol: ppp.ProtocolPAP}, "PAP"},
		{ppp.AuthenticationProtocol{Protocol: ppp.ProtocolCHAP, Algorithm: ppp.CHAPMSCHAPv2}, "CHAP MS-CHAP-V2"},
		{id, "028a:8d2e:ce1a:843f"},
		{id.LinkLocal(), "fe80::28a:8d2e:ce1a:843f"},
		{ppp.ErrorRestrictedLogonHours, "ERROR_RESTRICTED_LOGON_HOURS"},
		{ppp.ErrorAcctDisabled, "ERROR_ACCT_DISABLED"},
		{ppp.ErrorPasswdExpired, "ERROR_PASSWD_EXPIRED"},
		{ppp.ErrorNoDialinPermission, "ERROR_NO_DIALIN_PERMISSION"},
		{ppp.ErrorAuthenticationFailure, "ERROR_AUTHENTICATION_FAILURE"},
		{ppp.ErrorChangingPassword, "ERROR_CHANGING_PASSWORD"},
		{ppp.MSCHAPError(5), "error 5"},
	}
	for _, tt := range tests {
		if got := tt.value.String(); got != tt.want {
			t.Errorf("%T.String() = %q, want %q", tt.value, got, tt.want)
		}
	}
}
