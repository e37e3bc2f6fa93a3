package ppp_test

import (
	"errors"
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sstpwarden/inspect/ppp"
)

// The vectors are those of RFC 2759, Section 9.2.
const (
	rfc2759PeerChallenge = "21402324255e262a28295f2b3a337c7e"
	rfc2759NTResponse    = "82309ecd8d708b5ea08faa3981cd83544233114a3d85d6df"
	rfc2759AuthResponse  = "407A5589115FD0D6209F510FE9C04566932CDA56"
)

func TestMSCHAPv2Response(t *testing.T) {
	value := unhex(rfc2759PeerChallenge + "0000000000000000" + rfc2759NTResponse + "00")
	want := ppp.MSCHAPv2Response{
		PeerChallenge: [16]byte(unhex(rfc2759PeerChallenge)),
		NTResponse:    secretHex(rfc2759NTResponse),
	}
	got, err := ppp.ParseMSCHAPv2Response(ppp.NewSecret(value))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("ParseMSCHAPv2Response (-want +got):\n%s", diff)
	}
	b, err := want.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(value, b); diff != "" {
		t.Errorf("Append (-want +got):\n%s", diff)
	}
	for i := range value {
		_, err := ppp.ParseMSCHAPv2Response(ppp.NewSecret(value[:i]))
		if err != io.ErrUnexpectedEOF { //nolint:errorlint // must be bare
			t.Errorf("ParseMSCHAPv2Response of %d octets: error %v, want %v", i, err, io.ErrUnexpectedEOF)
		}
	}
	_, err = ppp.ParseMSCHAPv2Response(ppp.NewSecret(append(value, 0)))
	wantSyntaxError(t, err, ppp.SyntaxError{Section: "RFC 2759, Section 4", Field: "Value-Size", Value: 50})
}

func TestMSCHAPResponse(t *testing.T) {
	const lm = "000102030405060708090a0b0c0d0e0f1011121314151617"
	for _, useNT := range []bool{false, true} {
		want := ppp.MSCHAPResponse{
			LMResponse: secretHex(lm), NTResponse: secretHex(rfc2759NTResponse), UseNT: useNT,
		}
		value := unhex(lm + rfc2759NTResponse + map[bool]string{false: "00", true: "01"}[useNT])
		got, err := ppp.ParseMSCHAPResponse(ppp.NewSecret(value))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("ParseMSCHAPResponse (-want +got):\n%s", diff)
		}
		b, err := want.Append(nil)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(value, b); diff != "" {
			t.Errorf("Append (-want +got):\n%s", diff)
		}
		for i := range value {
			_, err := ppp.ParseMSCHAPResponse(ppp.NewSecret(value[:i]))
			if err != io.ErrUnexpectedEOF { //nolint:errorlint // must be bare
				t.Errorf("ParseMSCHAPResponse of %d octets: error %v, want %v", i, err, io.ErrUnexpectedEOF)
			}
		}
		_, err = ppp.ParseMSCHAPResponse(ppp.NewSecret(append(value, 0)))
		wantSyntaxError(t, err, ppp.SyntaxError{Section: "RFC 2433, Section 6", Field: "Value-Size", Value: 50})
	}
}

func TestMSCHAPAppendErrors(t *testing.T) {
	short := secret("short")
	for _, v := range []interface{ Append([]byte) ([]byte, error) }{
		ppp.MSCHAPv2Response{NTResponse: short},
		ppp.MSCHAPResponse{LMResponse: short, NTResponse: secretHex(rfc2759NTResponse)},
		ppp.MSCHAPResponse{LMResponse: secretHex(rfc2759NTResponse), NTResponse: short},
	} {
		b, err := v.Append([]byte("before"))
		if !errors.Is(err, ppp.ErrUnencodable) || string(b) != "before" {
			t.Errorf("%T.Append = %q, %v, want %q and %v", v, b, err, "before", ppp.ErrUnencodable)
		}
	}
}

func TestMSCHAPv2Success(t *testing.T) {
	authResponse := [20]byte(unhex(rfc2759AuthResponse))
	tests := []struct {
		name, text string
		want       ppp.MSCHAPv2Success
	}{
		{"SoftEther 4.44", "S=" + rfc2759AuthResponse, ppp.MSCHAPv2Success{AuthenticatorResponse: authResponse}},
		{"accel-ppp 1.14", "S=" + rfc2759AuthResponse + " M=Authentication succeeded", ppp.MSCHAPv2Success{
			AuthenticatorResponse: authResponse, Message: "Authentication succeeded",
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ppp.ParseMSCHAPv2Success(tt.text)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("ParseMSCHAPv2Success (-want +got):\n%s", diff)
			}
			if got := tt.want.String(); got != tt.text {
				t.Errorf("String() = %q, want %q", got, tt.text)
			}
		})
	}
	t.Run("lower case", func(t *testing.T) {
		got, err := ppp.ParseMSCHAPv2Success("S=407a5589115fd0d6209f510fe9c04566932cda56")
		if err != nil || got.AuthenticatorResponse != authResponse {
			t.Errorf("ParseMSCHAPv2Success = %v, %v", got, err)
		}
	})
	t.Run("prefixes", func(t *testing.T) {
		text := "S=" + rfc2759AuthResponse + " M="
		for i := range text {
			_, err := ppp.ParseMSCHAPv2Success(text[:i])
			if i == len("S=")+len(rfc2759AuthResponse) {
				if err != nil {
					t.Errorf("ParseMSCHAPv2Success(%q): %v", text[:i], err)
				}
				continue
			}
			if err != io.ErrUnexpectedEOF { //nolint:errorlint // must be bare
				t.Errorf("ParseMSCHAPv2Success(%q): error %v, want %v", text[:i], err, io.ErrUnexpectedEOF)
			}
		}
	})
}

func TestMSCHAPv2SuccessErrors(t *testing.T) {
	const section = "RFC 2759, Section 5"
	tests := []struct {
		text, field string
		offset      int
		value       string
	}{
		{"OK!", `"S="`, 0, `"OK"`},
		{"S=40x", "auth_string", 4, `"x"`},
		{"S=" + rfc2759AuthResponse + "\x00", `" M="`, 42, `"\x00"`},
		{"S=" + rfc2759AuthResponse + " X=y", `" M="`, 42, `" X="`},
	}
	for _, tt := range tests {
		_, err := ppp.ParseMSCHAPv2Success(tt.text)
		wantSyntaxError(t, err, ppp.SyntaxError{
			Section: section, Field: tt.field, Offset: tt.offset, Value: tt.value,
		})
	}
}

func TestMSCHAPFailure(t *testing.T) {
	tests := []struct {
		name, text string
		want       ppp.MSCHAPFailure
	}{
		{"SoftEther 4.44", "E=691 R=0 C=D61EC90C4359266C64D7A6170622D36B V=3", ppp.MSCHAPFailure{
			Error: ppp.ErrorAuthenticationFailure, Challenge: unhex("d61ec90c4359266c64d7a6170622d36b"), Version: 3,
		}},
		{"accel-ppp 1.14", "E=691 R=0 V=3 M=Authentication failure", ppp.MSCHAPFailure{
			Error: ppp.ErrorAuthenticationFailure, Version: 3, Message: "Authentication failure",
		}},
		{"MS-CHAP with a retry", "E=648 R=1 C=0001020304050607 V=2", ppp.MSCHAPFailure{
			Error: ppp.ErrorPasswdExpired, Retry: true, Challenge: unhex("0001020304050607"), Version: 2,
		}},
		{"message with words like keys", "E=709 R=0 M=R=1 E=5", ppp.MSCHAPFailure{
			Error: ppp.ErrorChangingPassword, Message: "R=1 E=5",
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ppp.ParseMSCHAPFailure(tt.text)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("ParseMSCHAPFailure (-want +got):\n%s", diff)
			}
			if got := tt.want.String(); got != tt.text {
				t.Errorf("String() = %q, want %q", got, tt.text)
			}
		})
	}
	t.Run("words unknown or absent", func(t *testing.T) {
		got, err := ppp.ParseMSCHAPFailure("E=646  X=y Z R")
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(ppp.MSCHAPFailure{Error: ppp.ErrorRestrictedLogonHours}, got); diff != "" {
			t.Errorf("ParseMSCHAPFailure (-want +got):\n%s", diff)
		}
	})
}

func TestMSCHAPFailureErrors(t *testing.T) {
	for _, text := range []string{"", "E", "E=", "E=691 R=", "E=691 C=ABC", "E=1 V="} {
		if _, err := ppp.ParseMSCHAPFailure(text); err != io.ErrUnexpectedEOF { //nolint:errorlint // must be bare
			t.Errorf("ParseMSCHAPFailure(%q): error %v, want %v", text, err, io.ErrUnexpectedEOF)
		}
	}
	tests := []struct {
		text, field string
		offset      int
		value       string
	}{
		{"691", `"E="`, 0, `"69"`},
		{"E= R=0", "E", 2, `""`},
		{"E=x", "E", 2, `"x"`},
		{"E=4294967296", "E", 2, `"4294967296"`},
		{"E=691 R=2", "R", 8, `"2"`},
		{"E=691 R=0 C=0G", "C", 12, `"0G"`},
		{"E=691 R=0 C=ABC V=3", "C", 12, `"ABC"`},
		{"E=691 V=-1", "V", 8, `"-1"`},
	}
	for _, tt := range tests {
		_, err := ppp.ParseMSCHAPFailure(tt.text)
		wantSyntaxError(t, err, ppp.SyntaxError{
			Section: "RFC 2759, Section 6", Field: tt.field, Offset: tt.offset, Value: tt.value,
		})
	}
}
