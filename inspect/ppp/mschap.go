package ppp

import "io"

// Sizes of fields, in octets.
const (
	mschapResponseLen   = 49 // the Value of a Response: RFC 2433, Section 6; RFC 2759, Section 4
	lmResponseLen       = 24
	ntResponseLen       = 24
	peerChallengeLen    = 16
	mschapv2ReservedLen = 8
)

// MSCHAPResponse is the Value of an MS-CHAP Response (RFC 2433, Section 6): 49 octets, as MS-CHAP-V2's is. Which of the
// two it is follows from LCP's [AuthenticationProtocol].
type MSCHAPResponse struct {
	LMResponse Secret // 24 octets, zero where it is not sent
	NTResponse Secret // 24 octets
	UseNT      bool   // the last octet: the Windows NT response is to be used
}

// ParseMSCHAPResponse parses the Value of an MS-CHAP Response.
func ParseMSCHAPResponse(value Secret) (MSCHAPResponse, error) {
	v := value.Reveal()
	if err := checkMSCHAPResponse(v, "RFC 2433, Section 6"); err != nil {
		return MSCHAPResponse{}, err
	}
	return MSCHAPResponse{
		LMResponse: NewSecret(v[:lmResponseLen]),
		NTResponse: NewSecret(v[lmResponseLen : lmResponseLen+ntResponseLen]),
		UseNT:      v[mschapResponseLen-1] != 0,
	}, nil
}

// Append appends the Value to b.
func (r MSCHAPResponse) Append(b []byte) ([]byte, error) {
	lm, nt := r.LMResponse.Reveal(), r.NTResponse.Reveal()
	if len(lm) != lmResponseLen || len(nt) != ntResponseLen {
		return b, unencodable("MS-CHAP responses of %d and %d octets", len(lm), len(nt))
	}
	p := append(append(append(b, lm...), nt...), 0)
	if r.UseNT {
		p[len(p)-1] = 1
	}
	return p, nil
}

// MSCHAPv2Response is the Value of an MS-CHAP-V2 Response (RFC 2759, Section 4): 16 octets of Peer-Challenge, 8 reserved
// ones, 24 of NT-Response and one of Flags.
type MSCHAPv2Response struct {
	PeerChallenge [16]byte
	NTResponse    Secret // 24 octets
	Flags         uint8  // 0 by the specification
}

// ParseMSCHAPv2Response parses the Value of an MS-CHAP-V2 Response. It passes over the reserved octets.
func ParseMSCHAPv2Response(value Secret) (MSCHAPv2Response, error) {
	v := value.Reveal()
	if err := checkMSCHAPResponse(v, "RFC 2759, Section 4"); err != nil {
		return MSCHAPv2Response{}, err
	}
	nt := v[peerChallengeLen+mschapv2ReservedLen:]
	return MSCHAPv2Response{
		PeerChallenge: [16]byte(v),
		NTResponse:    NewSecret(nt[:ntResponseLen]),
		Flags:         nt[ntResponseLen],
	}, nil
}

// Append appends the Value to b.
func (r MSCHAPv2Response) Append(b []byte) ([]byte, error) {
	nt := r.NTResponse.Reveal()
	if len(nt) != ntResponseLen {
		return b, unencodable("NT-Response of %d octets", len(nt))
	}
	b = append(b, r.PeerChallenge[:]...)
	b = append(b, make([]byte, mschapv2ReservedLen)...)
	return append(append(b, nt...), r.Flags), nil
}

func checkMSCHAPResponse(v []byte, section string) error {
	if len(v) < mschapResponseLen {
		return io.ErrUnexpectedEOF
	}
	if len(v) > mschapResponseLen {
		return &SyntaxError{section, "Value-Size", 0, len(v)}
	}
	return nil
}
