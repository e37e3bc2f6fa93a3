package ppp

import (
	"encoding/hex"
	"fmt"
	"io"
	"strconv"
	"strings"
)

const hexDigits = "0123456789ABCDEFabcdef"

// MSCHAPv2Success is the Message of an MS-CHAP-V2 Success (RFC 2759, Section 5): "S=<40 hex digits> M=<message>".
type MSCHAPv2Success struct {
	AuthenticatorResponse [20]byte
	Message               string // for people; "" where it is not sent
}

// ParseMSCHAPv2Success parses the Message of an MS-CHAP-V2 Success. Hexadecimal digits of either case are taken.
func ParseMSCHAPv2Success(message string) (MSCHAPv2Success, error) {
	const section = "RFC 2759, Section 5"
	var s MSCHAPv2Success
	rest, err := cutLiteral(message, 0, "S=", section)
	if err != nil {
		return s, err
	}
	want := hex.EncodedLen(len(s.AuthenticatorResponse))
	digits := rest[:min(want, len(rest))]
	if valid := len(digits) - len(strings.TrimLeft(digits, hexDigits)); valid < len(digits) {
		found := strconv.Quote(digits[valid : valid+1])
		return s, &SyntaxError{section, "auth_string", len("S=") + valid, found}
	}
	if len(digits) < want {
		return s, io.ErrUnexpectedEOF
	}
	_, _ = hex.Decode(s.AuthenticatorResponse[:], []byte(digits)) // 40 digits: cannot fail
	offset := len("S=") + len(digits)
	if offset == len(message) {
		return s, nil
	}
	if s.Message, err = cutLiteral(message, offset, " M=", section); err != nil {
		return MSCHAPv2Success{}, err
	}
	return s, nil
}

// String returns the text of the Message field.
func (s MSCHAPv2Success) String() string {
	text := fmt.Sprintf("S=%X", s.AuthenticatorResponse)
	if s.Message != "" {
		text += " M=" + s.Message
	}
	return text
}

// MSCHAPError is the error code of a Failure (RFC 2433, Section 8; RFC 2759, Section 6).
type MSCHAPError uint32

// Error codes.
const (
	ErrorRestrictedLogonHours  MSCHAPError = 646
	ErrorAcctDisabled          MSCHAPError = 647
	ErrorPasswdExpired         MSCHAPError = 648
	ErrorNoDialinPermission    MSCHAPError = 649
	ErrorAuthenticationFailure MSCHAPError = 691
	ErrorChangingPassword      MSCHAPError = 709
)

// String returns the specification's name, or the number for a code that has none.
func (e MSCHAPError) String() string {
	switch e {
	case ErrorRestrictedLogonHours:
		return "ERROR_RESTRICTED_LOGON_HOURS"
	case ErrorAcctDisabled:
		return "ERROR_ACCT_DISABLED"
	case ErrorPasswdExpired:
		return "ERROR_PASSWD_EXPIRED"
	case ErrorNoDialinPermission:
		return "ERROR_NO_DIALIN_PERMISSION"
	case ErrorAuthenticationFailure:
		return "ERROR_AUTHENTICATION_FAILURE"
	case ErrorChangingPassword:
		return "ERROR_CHANGING_PASSWORD"
	default:
		return fmt.Sprintf("error %d", uint32(e))
	}
}

// MSCHAPFailure is the Message of an MS-CHAP or MS-CHAP-V2 Failure (RFC 2433, Section 8; RFC 2759, Section 6):
// "E=691 R=1 C=<hex digits> V=3 M=<message>".
type MSCHAPFailure struct {
	Error     MSCHAPError
	Retry     bool
	Challenge []byte // for the next try: 8 octets in MS-CHAP, 16 in MS-CHAP-V2; nil where it is not sent, as by accel-ppp
	Version   uint32 // of the change-password packet; 0 where it is not sent
	Message   string // for people; "" where it is not sent
}

// ParseMSCHAPFailure parses the Message of a Failure. Only the error code has to be there. Words it does not know are
// passed over (RFC 2433, Section 8).
func ParseMSCHAPFailure(message string) (MSCHAPFailure, error) {
	const section = "RFC 2759, Section 6"
	if _, err := cutLiteral(message, 0, "E=", section); err != nil {
		return MSCHAPFailure{}, err
	}
	var f MSCHAPFailure
	for offset := 0; offset < len(message); {
		rest := message[offset:]
		if text, ok := strings.CutPrefix(rest, "M="); ok {
			f.Message = text
			break
		}
		word, _, _ := strings.Cut(rest, " ")
		key, value, ok := strings.Cut(word, "=")
		if ok && !f.set(key, value) {
			// More digits may follow the last word.
			last := len(word) == len(rest)
			if last && (value == "" || key == "C" && strings.Trim(value, hexDigits) == "") {
				return MSCHAPFailure{}, io.ErrUnexpectedEOF
			}
			return MSCHAPFailure{}, &SyntaxError{section, key, offset + len(key) + 1, strconv.Quote(value)}
		}
		offset += len(word) + 1
	}
	return f, nil
}

// set takes one word of the text and reports whether the value has the form of its key.
func (f *MSCHAPFailure) set(key, value string) bool {
	var n uint64
	var err error
	switch key {
	case "E":
		n, err = strconv.ParseUint(value, 10, 32)
		f.Error = MSCHAPError(n)
	case "R":
		f.Retry = value == "1"
		return value == "0" || value == "1"
	case "C":
		f.Challenge, err = hex.DecodeString(value)
	case "V":
		n, err = strconv.ParseUint(value, 10, 32)
		f.Version = uint32(n)
	}
	return err == nil
}

// String returns the text of the Message field.
func (f MSCHAPFailure) String() string {
	retry := 0
	if f.Retry {
		retry = 1
	}
	text := fmt.Sprintf("E=%d R=%d", uint32(f.Error), retry)
	if len(f.Challenge) > 0 {
		text += fmt.Sprintf(" C=%X", f.Challenge)
	}
	if f.Version != 0 {
		text += fmt.Sprintf(" V=%d", f.Version)
	}
	if f.Message != "" {
		text += " M=" + f.Message
	}
	return text
}

// cutLiteral returns what follows literal in s, where literal has to stand at offset.
func cutLiteral(s string, offset int, literal, section string) (string, error) {
	s = s[offset:]
	if rest, ok := strings.CutPrefix(s, literal); ok {
		return rest, nil
	}
	if strings.HasPrefix(literal, s) {
		return "", io.ErrUnexpectedEOF
	}
	found := s[:min(len(literal), len(s))]
	return "", &SyntaxError{section, strconv.Quote(literal), offset, strconv.Quote(found)}
}
