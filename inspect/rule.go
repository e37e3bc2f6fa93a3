package inspect

// A Rule says what speaks for SSTP or against it, and how strongly. Rules are
// data: package rules reads them from YAML.
type Rule struct {
	// ID names the rule for ever: "tls.control_lengths".
	ID string `yaml:"id"`
	// About says in a sentence what the rule sees; it is the evidence's
	// detail, followed by what was seen.
	About string `yaml:"about"`
	// Weight in decibans, 10*log10 of the likelihood ratio; negative speaks
	// against SSTP.
	Weight int `yaml:"weight"`
	// Coarse is the weight where lengths are known only to a cipher block;
	// nil stands for Weight. Where it is given, of both the one that is 0 has
	// the rule not hold.
	Coarse *int `yaml:"coarse,omitempty"`
	// Proof says that the facts are SSTP itself, read in clear.
	Proof bool `yaml:"proof,omitempty"`
	// Kind the connection reaches when the rule holds.
	Kind Kind `yaml:"kind,omitempty"`
	// Client and Server are implementations that the facts point to, weighed
	// by Weight when rules disagree.
	Client string `yaml:"client,omitempty"`
	Server string `yaml:"server,omitempty"`
	// Requires lists rules of which at least one must hold before, Unless
	// rules after which this one is not asked any more.
	Requires []string `yaml:"requires,omitempty"`
	Unless   []string `yaml:"unless,omitempty"`
	// TakesBack lists rules that say nothing any more where this one holds:
	// it weighs as much as they did, the other way, and Weight besides. Where
	// none of them held it does not count.
	TakesBack []string `yaml:"takes_back,omitempty"`
	// Times is how often the rule may count on one connection; 0 stands for 1.
	Times int `yaml:"times,omitempty"`
	// Source says where the facts come from: specification, capture, code.
	Source string `yaml:"source"`
	// Measured says what counting gave; nil where nobody counted. The weight
	// does not say more, unless Reasoned says why: what the corpus cannot show.
	Measured *Measured `yaml:"measured,omitempty"`
	Reasoned string    `yaml:"reasoned,omitempty"`
	// Match is what must be seen; all parts given must hold.
	Match Match `yaml:"match"`
}

// Match is a condition on an Observation. Parts that are nil are not asked;
// at least one must be given.
type Match struct {
	Stream      *StreamMatch      `yaml:"stream,omitempty"`
	Connect     *HeadMatch        `yaml:"connect,omitempty"`
	HTTP        *HeadMatch        `yaml:"http,omitempty"`
	Hello       *HelloMatch       `yaml:"hello,omitempty"`
	Certificate *CertificateMatch `yaml:"certificate,omitempty"`
	Dialogue    *DialogueMatch    `yaml:"dialogue,omitempty"`
	Run         *RunMatch         `yaml:"run,omitempty"`
	Mirrored    *MirroredMatch    `yaml:"mirrored,omitempty"`
	Idle        *IdleMatch        `yaml:"idle,omitempty"`
	SSTP        *SSTPMatch        `yaml:"sstp,omitempty"`
	Destination *DestinationMatch `yaml:"destination,omitempty"`
}

// StreamMatch asks about the connection as a whole.
type StreamMatch struct {
	// Protocol is one of "tls", "http", "connect", "sstp", "other".
	Protocol string `yaml:"protocol,omitempty"`
	// ServerFirst says that the server sent the first application data.
	ServerFirst bool `yaml:"server_first,omitempty"`
	// Records of application data, of both sides together, were seen, without
	// those that are too short for any packet of SSTP; and Bytes of plaintext
	// in all.
	Records Lengths `yaml:"records,omitempty"`
	Bytes   Lengths `yaml:"bytes,omitempty"`
	// Exchanges of ordinary HTTP were read.
	Exchanges Lengths `yaml:"exchanges,omitempty"`
}

// HeadMatch asks about an HTTP request, and about its response where it says
// so. Strings are compared without regard to case; lists need one to match.
type HeadMatch struct {
	Method []string `yaml:"method,omitempty"`
	// Path without the query.
	Path []string `yaml:"path,omitempty"`
	// ContentLength of the request.
	ContentLength *uint64 `yaml:"content_length,omitempty"`
	// Header names of the request, compared without '-', '_' and case.
	Header []string `yaml:"header,omitempty"`
	// HeaderOrder is the exact sequence of the request's header names, as
	// spelled on the wire, separated by commas.
	HeaderOrder []string `yaml:"header_order,omitempty"`
	// Value that the first header of Header has: '*' stands for anything.
	// ValueLength is how many bytes it has.
	Value       []string `yaml:"value,omitempty"`
	ValueLength Lengths  `yaml:"value_length,omitempty"`
	// Status of the response.
	Status Lengths `yaml:"status,omitempty"`
	// Server header of the response: '*' stands for anything.
	Server []string `yaml:"server,omitempty"`
	// ResponseOrder is like HeaderOrder, of the response.
	ResponseOrder []string `yaml:"response_order,omitempty"`
	// Reason of the response's status line.
	Reason *string `yaml:"reason,omitempty"`
	// Tunnel asks of a CONNECT that bytes went through it.
	Tunnel bool `yaml:"tunnel,omitempty"`
}

// HelloMatch asks about the TLS hellos. Lists need one to match.
type HelloMatch struct {
	// SNI is a name, or a suffix that begins with a dot; "-" asks for none.
	SNI  []string `yaml:"sni,omitempty"`
	JA3  []string `yaml:"ja3,omitempty"`
	JA3S []string `yaml:"ja3s,omitempty"`
	// JA4 may hold '*'.
	JA4 []string `yaml:"ja4,omitempty"`
	// Offers is an ALPN protocol among the client's, Chosen the server's
	// choice; "-" asks for none.
	Offers []string `yaml:"offers,omitempty"`
	Chosen []string `yaml:"chosen,omitempty"`
	// Anonymous asks for a key exchange without certificate.
	Anonymous bool `yaml:"anonymous,omitempty"`
}

// CertificateMatch asks about the server's certificate. '*' stands for
// anything; lists need one to match.
type CertificateMatch struct {
	Subject    []string `yaml:"subject,omitempty"` // common name
	Issuer     []string `yaml:"issuer,omitempty"`  // common name
	Name       []string `yaml:"name,omitempty"`    // DNS name, or a suffix that begins with a dot
	SHA256     []string `yaml:"sha256,omitempty"`
	SelfSigned bool     `yaml:"self_signed,omitempty"`
	// EKUs is the number of extended key usages.
	EKUs Lengths `yaml:"ekus,omitempty"`
	// CA asks for basicConstraints CA:TRUE on the leaf.
	CA bool `yaml:"ca,omitempty"`
	// SubjectRepeated asks for the same text as CN, O and OU.
	SubjectRepeated bool `yaml:"subject_repeated,omitempty"`
	// ADCS asks for extensions of Microsoft's certificate services.
	ADCS bool `yaml:"ad_cs,omitempty"`
}

// A DialogueMatch asks for turns one after another.
type DialogueMatch struct {
	Turns []Step `yaml:"turns"`
	// First asks that they are the connection's first.
	First bool `yaml:"first,omitempty"`
	// Within is how many records of both sides may have come since the rule of
	// Requires held, of several the first; 0 is any. With 1 it is asked about
	// what that rule saw, and about the turn that follows.
	Within int `yaml:"within,omitempty"`
	// Inside asks for the turns inside another TLS, whose records hold one of
	// the inner session's each: by how many bytes those are longer than what
	// they hold, one of the list and the same in all turns. It holds only where
	// the cipher shows lengths to the byte; then all records that follow are
	// taken for those of the inner TLS.
	Inside []int `yaml:"inside,omitempty"`
}

// A Step is one turn of a dialogue: what one side sends before the other
// speaks, in bytes of plaintext, however it is cut into records. Exactly one
// of Bytes and Starts is given, or both.
type Step struct {
	From Side `yaml:"from"`
	// Bytes is the whole turn. A last step's turn may still grow. Where a
	// cipher shows no more than a range, any of it will do, and for a rule of
	// negative weight all of it must.
	Bytes Lengths `yaml:"bytes,omitempty"`
	// Records is how many records it may be cut into, Fragments how many of
	// them are too short for any packet of SSTP, which has 8 bytes at least.
	Records   Lengths `yaml:"records,omitempty"`
	Fragments Lengths `yaml:"fragments,omitempty"`
	// Starts asks that a write of the turn ends after so many bytes; in a
	// list, that the writes after one another end so. A write may be cut into
	// two records, and the last one of a turn that is over into any number:
	// where it ends, the other side answered.
	Starts []Lengths `yaml:"starts,omitempty"`
}

// A RunMatch asks for writes of one side, one after another, whatever the
// other side sends in between; from Either, for writes of both as they come.
type RunMatch struct {
	From   Side      `yaml:"from"`
	Writes []Lengths `yaml:"writes"`
	// Within is how many records of both sides may have come since the rule
	// of Requires held, or since the start where it has none; 0 is any.
	Within int `yaml:"within,omitempty"`
	// First asks that the run stands at the start of what the side sent.
	First bool `yaml:"first,omitempty"`
	// Longest asks that no earlier record of either side, since the rule of
	// Requires held, may have been as long as the newest.
	Longest bool `yaml:"longest,omitempty"`
	// OneSided asks that nothing of the other side was captured.
	OneSided bool `yaml:"one_sided,omitempty"`
}

// A MirroredMatch asks that sides answer with writes of equal length, as
// every acknowledged option list of PPP is (RFC 1661, Section 5.2).
type MirroredMatch struct {
	Bytes   Lengths `yaml:"bytes"`
	AtLeast int     `yaml:"at_least"`
	// Within is how many records may have come since the required rule held.
	Within int `yaml:"within"`
}

// An IdleMatch asks for the same short exchange again and again on a quiet
// connection: keep-alives.
type IdleMatch struct {
	Bytes   Lengths `yaml:"bytes"`
	AtLeast int     `yaml:"at_least"`
}

// SSTPMatch asks about SSTP messages read in clear.
type SSTPMatch struct {
	// Control asks for control messages of "client", "server" or "both".
	Control string `yaml:"control,omitempty"`
	// Message is the name of a control message that was read.
	Message string `yaml:"message,omitempty"`
	// Reserved asks for reserved bits in the length field.
	Reserved bool `yaml:"reserved,omitempty"`
	// Data asks for PPP frames of both sides.
	Data bool `yaml:"data,omitempty"`
	// Binding is "matches" or "differs".
	Binding string `yaml:"binding,omitempty"`
	// Identification is the text of an LCP Identification; '*' stands for
	// anything.
	Identification []string `yaml:"identification,omitempty"`
}

// A DestinationMatch asks about other connections to the same server that a
// [Memory] holds, of whatever client. It holds only where there is one. What
// rests on other connections is never remembered: a rule that asks about them
// counts once, and none that does not may require it or end with it.
type DestinationMatch struct {
	// Flows is the number of other connections.
	Flows Lengths `yaml:"flows,omitempty"`
	// Score is the sum of what their ages have left of their own scores, in
	// decibans.
	Score Lengths `yaml:"score,omitempty"`
}

// Side names one end in a rule: "client" or "server", and in a run "either".
type Side string

// The sides.
const (
	Client Side = "client"
	Server Side = "server"
	Either Side = "either"
)

// direction of what the side sends; 0 of Either.
func (s Side) direction() Direction {
	switch s {
	case Client:
		return ClientToServer
	case Server:
		return ServerToClient
	case Either:
	}
	return 0
}
