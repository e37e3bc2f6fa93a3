package ppp_test

import (
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sstpwarden/inspect/ppp"
)

func FuzzParseFrame(f *testing.F) {
	for _, tt := range frameTests {
		f.Add(unhex(tt.bytes))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		frame, err := ppp.ParseFrame(b)
		if err != nil {
			return
		}
		if diff := cmp.Diff(b, frame.Append(nil)); diff != "" {
			t.Errorf("Append differs from what was parsed (-parsed +appended):\n%s", diff)
		}
	})
}

func FuzzParseMessage(f *testing.F) {
	for _, tt := range messageTests {
		f.Add(uint16(tt.protocol), unhex(tt.bytes))
	}
	f.Fuzz(func(t *testing.T, protocol uint16, b []byte) {
		p := ppp.Protocol(protocol)
		m, n, err := ppp.ParseMessage(p, b)
		if err != nil {
			if m != nil || n != 0 {
				t.Fatalf("ParseMessage = %v, %d beside error %v", m, n, err)
			}
			return
		}
		if n < 4 || n > len(b) {
			t.Fatalf("ParseMessage took %d of %d octets", n, len(b))
		}
		for _, i := range []int{0, 1, 3, n / 2, n - 1} {
			if _, _, err := ppp.ParseMessage(p, b[:i]); err != io.ErrUnexpectedEOF { //nolint:errorlint // must be bare
				t.Fatalf("ParseMessage of %d octets out of %d: error %v, want %v", i, n, err, io.ErrUnexpectedEOF)
			}
		}
		appended, err := m.Append(nil)
		if err != nil {
			t.Fatalf("Append of what was parsed: %v", err)
		}
		again, k, err := ppp.ParseMessage(p, appended)
		if err != nil || k != len(appended) {
			t.Fatalf("ParseMessage of what was appended took %d of %d octets: %v", k, len(appended), err)
		}
		if diff := cmp.Diff(m, again, compare); diff != "" {
			t.Errorf("the message changed (-first +second):\n%s", diff)
		}
	})
}

func FuzzParseMSCHAPv2Success(f *testing.F) {
	f.Add("S=" + rfc2759AuthResponse)
	f.Add("S=" + rfc2759AuthResponse + " M=Authentication succeeded")
	f.Fuzz(func(t *testing.T, text string) {
		first, err := ppp.ParseMSCHAPv2Success(text)
		if err != nil {
			return
		}
		second, err := ppp.ParseMSCHAPv2Success(first.String())
		if err != nil || first != second {
			t.Errorf("%q became %q: %v", text, first, err)
		}
	})
}

func FuzzParseMSCHAPFailure(f *testing.F) {
	f.Add("E=691 R=0 C=D61EC90C4359266C64D7A6170622D36B V=3")
	f.Add("E=691 R=1 V=3 M=Authentication failure")
	f.Add("E=1 X=2 M=")
	f.Fuzz(func(t *testing.T, text string) {
		first, err := ppp.ParseMSCHAPFailure(text)
		if err != nil {
			return
		}
		second, err := ppp.ParseMSCHAPFailure(first.String())
		if err != nil {
			t.Fatalf("%q became %q: %v", text, first, err)
		}
		if diff := cmp.Diff(first, second, compare); diff != "" {
			t.Errorf("%q changed (-first +second):\n%s", text, diff)
		}
	})
}

func FuzzParseMSCHAPResponses(f *testing.F) {
	f.Add(unhex(rfc2759PeerChallenge + "0000000000000000" + rfc2759NTResponse + "00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		v1, err := ppp.ParseMSCHAPResponse(ppp.NewSecret(b))
		v2, err2 := ppp.ParseMSCHAPv2Response(ppp.NewSecret(b))
		if (err == nil) != (len(b) == 49) || (err2 == nil) != (len(b) == 49) {
			t.Fatalf("errors for %d octets: %v, %v", len(b), err, err2)
		}
		if err != nil {
			return
		}
		if value, err := v1.Append(nil); err != nil || len(value) != 49 || string(value[:48]) != string(b[:48]) {
			t.Errorf("MS-CHAP: %x became %x: %v", b, value, err)
		}
		value, err := v2.Append(nil)
		if err != nil || len(value) != 49 || string(value[:16])+string(value[24:]) != string(b[:16])+string(b[24:]) {
			t.Errorf("MS-CHAP-V2: %x became %x: %v", b, value, err)
		}
	})
}
