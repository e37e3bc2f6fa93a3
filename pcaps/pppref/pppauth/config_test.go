package pppauth_test

import (
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sstpwarden/inspect/ppp"
	"sstpwarden/pcaps/pppref/pppauth"
)

func TestParseMethods(t *testing.T) {
	const words = "pap, chap-md5, mschapv2, eap-mschapv2, eap-tls"
	tests := []struct {
		list string
		want []pppauth.Method
		err  string
	}{
		{"mschapv2,pap", []pppauth.Method{pppauth.MSCHAPv2, pppauth.PAP}, ""},
		{" EAP-TLS , eap-mschapv2,chap-md5", []pppauth.Method{pppauth.EAPTLS, pppauth.EAPMSCHAPv2, pppauth.CHAPMD5}, ""},
		{"", nil, `parsing authentication methods: no method is called "": take some of ` + words},
		{"pap,kerberos", nil, `parsing authentication methods: no method is called "kerberos": take some of ` + words},
		{"pap,,", nil, `parsing authentication methods: no method is called "": take some of ` + words},
		{"pap,PAP", nil, `parsing authentication methods: "pap" is there twice`},
	}
	for _, tt := range tests {
		got, err := pppauth.ParseMethods(tt.list)
		if text := fmt.Sprint(err); !slices.Equal(got, tt.want) || tt.err != "" && text != tt.err || tt.err == "" && err != nil {
			t.Errorf("ParseMethods(%q) = %v, %v\nwant %v, %s", tt.list, got, err, tt.want, tt.err)
		}
	}
}

func TestOptions(t *testing.T) {
	all := []pppauth.Method{pppauth.EAPTLS, pppauth.MSCHAPv2, pppauth.EAPMSCHAPv2, pppauth.CHAPMD5, pppauth.PAP}
	eap := ppp.AuthenticationProtocol{Protocol: ppp.ProtocolEAP}
	ms := ppp.AuthenticationProtocol{Protocol: ppp.ProtocolCHAP, Algorithm: ppp.CHAPMSCHAPv2}
	md5 := ppp.AuthenticationProtocol{Protocol: ppp.ProtocolCHAP, Algorithm: ppp.CHAPMD5}
	pap := ppp.AuthenticationProtocol{Protocol: ppp.ProtocolPAP}
	if diff := cmp.Diff([]ppp.AuthenticationProtocol{eap, ms, md5, pap}, pppauth.Options(all)); diff != "" {
		t.Errorf("Options (-want +got):\n%s", diff)
	}
	for o, want := range map[ppp.AuthenticationProtocol][]pppauth.Method{
		eap: {pppauth.EAPTLS, pppauth.EAPMSCHAPv2}, ms: {pppauth.MSCHAPv2}, md5: {pppauth.CHAPMD5}, pap: {pppauth.PAP},
		{Protocol: ppp.ProtocolCHAP, Algorithm: ppp.CHAPMSCHAP}: nil, {}: nil,
	} {
		if got := pppauth.MethodsOf(o, all); !slices.Equal(got, want) {
			t.Errorf("MethodsOf(%v) = %v, want %v", o, got, want)
		}
	}
	if got := pppauth.Method(9).Option(); got != (ppp.AuthenticationProtocol{}) {
		t.Errorf("Option of no method: %v", got)
	}
}

func TestNames(t *testing.T) {
	for _, tt := range []struct {
		v    fmt.Stringer
		want string
	}{
		{pppauth.Method(0), "method 0"},
		{pppauth.Method(9), "method 9"},
		{pppauth.Pending, "pending"},
		{pppauth.Succeeded, "succeeded"},
		{pppauth.Failed, "failed"},
		{pppauth.State(7), "state 7"},
		{pppauth.NoCommonMethod, "no common method"},
		{pppauth.Reason(0), "reason 0"},
		{pppauth.Reason(99), "reason 99"},
	} {
		if got := tt.v.String(); got != tt.want {
			t.Errorf("%T: %q, want %q", tt.v, got, tt.want)
		}
	}
	for r := pppauth.Refused; r <= pppauth.Internal; r++ {
		if r.String() == "" {
			t.Errorf("reason %d has no words", uint8(r))
		}
	}
}

func TestNewPeerErrors(t *testing.T) {
	k := testCertificates(t)
	const to = "preparing to log in by "
	tests := []struct {
		method pppauth.Method
		c      pppauth.Credentials
		want   string
	}{
		{pppauth.Method(0), pppauth.Credentials{}, to + "method 0: there is no such method: take one of pap, chap-md5, mschapv2, eap-mschapv2, eap-tls"},
		{pppauth.PAP, pppauth.Credentials{}, to + "pap: there is no user name"},
		{pppauth.PAP, pppauth.Credentials{Name: strings.Repeat("n", 256)}, to + "pap: the user name has 256 octets: at most 255 can be sent"},
		{
			pppauth.PAP,
			pppauth.Credentials{Name: "a", Password: strings.Repeat("p", 256)},
			to + "pap: the password has 256 octets: at most 255 can be used",
		},
		{pppauth.MSCHAPv2, pppauth.Credentials{Name: "a", Password: "\xff"}, to + "mschapv2: the password is not UTF-8, which MS-CHAP-V2 needs"},
		{pppauth.EAPTLS, pppauth.Credentials{Name: "a"}, to + "eap-tls: eap-tls needs a client certificate and its private key"},
		{
			pppauth.EAPMSCHAPv2,
			pppauth.Credentials{Name: "a", Also: []pppauth.Method{pppauth.EAPTLS}},
			to + "eap-mschapv2: eap-tls needs a client certificate and its private key",
		},
		{
			pppauth.EAPTLS,
			pppauth.Credentials{Name: "a", Password: "\xff", Certificate: k.alice, Also: []pppauth.Method{pppauth.EAPMSCHAPv2}},
			to + "eap-tls: the password is not UTF-8, which MS-CHAP-V2 needs",
		},
		{
			pppauth.EAPMSCHAPv2,
			pppauth.Credentials{Name: "a", Also: []pppauth.Method{pppauth.PAP}},
			to + "eap-mschapv2: eap-mschapv2 and pap: only methods of EAP go together",
		},
		{
			pppauth.PAP,
			pppauth.Credentials{Name: "a", Tuning: pppauth.Tuning{MaxTLS: tls.VersionTLS11}},
			to + "pap: eap-tls cannot be limited to TLS 1.1: it begins with TLS 1.2",
		},
		{
			pppauth.PAP,
			pppauth.Credentials{Name: "a", Tuning: pppauth.Tuning{EAPMTU: 63}},
			to + "pap: EAP packets of 63 octets: they can have 64 to 65535",
		},
	}
	for _, tt := range tests {
		if p, err := pppauth.NewPeer(tt.method, tt.c); p != nil || fmt.Sprint(err) != tt.want {
			t.Errorf("NewPeer(%v): %v\nwant %s", tt.method, err, tt.want)
		}
	}
	c := pppauth.Credentials{Certificate: k.alice, Also: []pppauth.Method{pppauth.EAPTLS}}
	if got := newPeer(t, pppauth.EAPTLS, c).Outcome().Name; got != "alice" {
		t.Errorf("without a name: %q, want the certificate's", got)
	}
}

func TestNewAuthenticatorErrors(t *testing.T) {
	k := testCertificates(t)
	const to = "preparing to authenticate by "
	passwords := users("alice", "secret")
	tests := []struct {
		method pppauth.Method
		a      pppauth.Authenticator
		want   string
	}{
		{pppauth.Method(9), pppauth.Authenticator{}, to + "method 9: there is no such method: take one of pap, chap-md5, mschapv2, eap-mschapv2, eap-tls"},
		{pppauth.MSCHAPv2, pppauth.Authenticator{}, to + "mschapv2: there are no passwords to check against"},
		{pppauth.EAPTLS, pppauth.Authenticator{}, to + "eap-tls: eap-tls needs a server certificate and its private key"},
		{
			pppauth.EAPTLS,
			pppauth.Authenticator{Certificate: k.server},
			to + "eap-tls: eap-tls needs the authorities that vouch for client certificates",
		},
		{
			pppauth.PAP,
			pppauth.Authenticator{Password: passwords, Name: strings.Repeat("n", 256)},
			to + "pap: the server's name has 256 octets: at most 255 can be sent",
		},
		{
			pppauth.PAP,
			pppauth.Authenticator{Password: passwords, FailureText: strings.Repeat("n", 201)},
			to + "pap: a text for the client has 201 octets: at most 200 can be sent",
		},
		{pppauth.MSCHAPv2, pppauth.Authenticator{Password: passwords, Retries: 10}, to + "mschapv2: 10 retries: there can be 0 to 9"},
		{
			pppauth.MSCHAPv2,
			pppauth.Authenticator{Password: passwords, Also: []pppauth.Method{pppauth.EAPTLS}},
			to + "mschapv2: mschapv2 and eap-tls: only methods of EAP go together",
		},
	}
	for _, tt := range tests {
		if p, err := pppauth.NewAuthenticator(tt.method, tt.a); p != nil || fmt.Sprint(err) != tt.want {
			t.Errorf("NewAuthenticator(%v): %v\nwant %s", tt.method, err, tt.want)
		}
	}
}

func TestPasswordsStaySecret(t *testing.T) {
	const password = "Tr0ub4dor&3"
	c := pppauth.Credentials{Name: "alice", Password: password}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x"} {
		for _, v := range []any{c, &c} {
			if got := fmt.Sprintf(verb, v); got != `credentials of "alice"` {
				t.Errorf("%s: %s", verb, got)
			}
		}
	}
	for _, w := range ways {
		c, a := w.credentials(t), w.authenticator(t)
		c.Password, a.Password = password, users("alice", "not "+password)
		atPeer, atServer := (&line{t: t}).converse(newPeer(t, w.method, c), newServer(t, w.method, a))
		if text := fmt.Sprintf("%+v %+v %v", atPeer, atServer, errors.Join(atPeer.Err, atServer.Err)); strings.Contains(text, password) {
			t.Errorf("%v: the password is in %s", w, text)
		}
	}
}
