package pppauth

import (
	"fmt"
	"slices"
	"strings"

	"sstpwarden/inspect/ppp"
)

// A Method is a way to authenticate.
type Method uint8

// The methods, the weakest first.
const (
	PAP         Method = iota + 1 // RFC 1334
	CHAPMD5                       // RFC 1994
	MSCHAPv2                      // RFC 2759
	EAPMSCHAPv2                   // draft-kamath-pppext-eap-mschapv2
	EAPTLS                        // RFC 5216, RFC 9190
)

var methods = []Method{PAP, CHAPMD5, MSCHAPv2, EAPMSCHAPv2, EAPTLS}

// String returns the method's word: "pap", "chap-md5", "mschapv2", "eap-mschapv2" or "eap-tls".
func (m Method) String() string {
	switch m {
	case PAP:
		return "pap"
	case CHAPMD5:
		return "chap-md5"
	case MSCHAPv2:
		return "mschapv2"
	case EAPMSCHAPv2:
		return "eap-mschapv2"
	case EAPTLS:
		return "eap-tls"
	default:
		return number("method", uint8(m))
	}
}

// ParseMethods reads a list of methods, their words parted by commas: "mschapv2,pap". Case and spaces around a word do
// not matter.
func ParseMethods(list string) ([]Method, error) {
	var parsed []Method
	for word := range strings.SplitSeq(list, ",") {
		word = strings.ToLower(strings.TrimSpace(word))
		i := slices.IndexFunc(methods, func(m Method) bool { return m.String() == word })
		switch {
		case i < 0:
			return nil, fmt.Errorf("parsing authentication methods: no method is called %q: take some of %s", cut(word), join(methods))
		case slices.Contains(parsed, methods[i]):
			return nil, fmt.Errorf("parsing authentication methods: %q is there twice", word)
		}
		parsed = append(parsed, methods[i])
	}
	return parsed, nil
}

// Option returns how LCP asks for the method. It is the same for all methods of EAP.
func (m Method) Option() ppp.AuthenticationProtocol {
	switch m {
	case PAP:
		return ppp.AuthenticationProtocol{Protocol: ppp.ProtocolPAP}
	case CHAPMD5:
		return ppp.AuthenticationProtocol{Protocol: ppp.ProtocolCHAP, Algorithm: ppp.CHAPMD5}
	case MSCHAPv2:
		return ppp.AuthenticationProtocol{Protocol: ppp.ProtocolCHAP, Algorithm: ppp.CHAPMSCHAPv2}
	case EAPMSCHAPv2, EAPTLS:
		return ppp.AuthenticationProtocol{Protocol: ppp.ProtocolEAP}
	default:
		return ppp.AuthenticationProtocol{}
	}
}

// Options returns LCP's options for the methods that a side allows, in their order, each once: what an authenticator asks
// for, one after the other, and what a peer proposes instead of something else.
func Options(allowed []Method) []ppp.AuthenticationProtocol {
	var options []ppp.AuthenticationProtocol
	for _, m := range allowed {
		if o := m.Option(); !slices.Contains(options, o) {
			options = append(options, o)
		}
	}
	return options
}

// MethodsOf returns which of the allowed methods are meant by LCP's option o, in the order of allowed: none, one, or where
// o is EAP perhaps more. The first is for [NewPeer] or [NewAuthenticator], all of them for the field Also.
func MethodsOf(o ppp.AuthenticationProtocol, allowed []Method) []Method {
	var meant []Method
	for _, m := range allowed {
		if m.Option() == o {
			meant = append(meant, m)
		}
	}
	return meant
}

// eapType returns the method's type within EAP, 0 if it has none.
func (m Method) eapType() ppp.EAPType {
	switch m {
	case EAPMSCHAPv2:
		return ppp.EAPTypeMSCHAPv2
	case EAPTLS:
		return ppp.EAPTypeTLS
	default:
		return 0
	}
}

// byPassword reports whether the method proves a password.
func (m Method) byPassword() bool { return m != EAPTLS }

func join(list []Method) string {
	words := make([]string, len(list))
	for i, m := range list {
		words[i] = m.String()
	}
	return strings.Join(words, ", ")
}
