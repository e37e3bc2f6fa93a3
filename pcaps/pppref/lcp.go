package pppref

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"sstpwarden/inspect/ppp"
	"sstpwarden/pcaps/pppref/pppauth"
)

// minMRU is the smallest MRU that a peer may have. RFC 1661 sets no limit; below this
// neither authentication nor IPv4 would get through whole.
const minMRU = 128

// maxLoops is how often this end may see its own Magic-Number in requests: chance
// alone makes a second time all but impossible (RFC 1661, Section 6.4).
const maxLoops = 5

// Types of LCP's options, to know them where their data has not the form of its type.
var (
	typeMRU            = ppp.MRU(0).OptionType()
	typeAuthentication = ppp.AuthenticationProtocol{}.OptionType()
	typeMagic          = ppp.MagicNumber(0).OptionType()
	typeCallback       = ppp.Callback{}.OptionType()
)

// lcp negotiates the Link Control Protocol.
type lcp struct {
	link *Link
	wishes
	methods   []pppauth.Method // server: those not refused yet, the one in turn first
	magic     uint32           // this end's, 0 if it has none
	suggested uint32           // that of the last Nak of a request of this end's own
	loops     int              // how often it has come back
	// The last Authentication-Protocol of a server that this client could not take.
	untaken string
	peer    peerOptions
}

// peerOptions are what the peer was acknowledged.
type peerOptions struct {
	mru       int
	acfc, pfc bool
	method    pppauth.Method // that this end is to authenticate itself with
	callback  bool
}

func (c *lcp) reset() {
	cfg := &c.link.cfg
	c.wishes = slices.Clone(cfg.LCP)
	c.methods = slices.Clone(cfg.Methods)
	c.magic, c.untaken = 0, ""
	if i := c.index(typeMagic); i >= 0 {
		if m, ok := c.wishes[i].(ppp.MagicNumber); ok && m == 0 {
			c.setMagic(ppp.MagicNumber(c.link.randomMagic()))
		} else {
			c.magic = uint32(m)
		}
	}
	if cfg.Role == Server {
		c.askMethod()
	}
}

// askMethod puts the method in turn among the wishes.
func (c *lcp) askMethod() {
	if len(c.methods) == 0 {
		c.drop(typeAuthentication)
		return
	}
	if o := c.methods[0].Option(); !c.set(o) {
		c.wishes = append(c.wishes, o)
	}
}

func (c *lcp) setMagic(m ppp.MagicNumber) {
	c.magic = uint32(m)
	c.set(m)
}

func (c *lcp) request() []ppp.Option { return c.wishes }

func (c *lcp) naked(o ppp.Option) *Error {
	t := o.OptionType()
	if c.index(t) < 0 {
		return nil // one that the peer would like to be asked for
	}
	switch o := o.(type) {
	case ppp.MRU:
		if o >= minMRU && o <= max(c.ownMRU(), DefaultMRU) {
			c.set(o)
		}
	case ppp.ACCM:
		c.set(o)
	case ppp.MagicNumber:
		c.setMagic(ppp.MagicNumber(c.link.randomMagic()))
	default:
		if t == typeAuthentication {
			suggested, _ := o.(ppp.AuthenticationProtocol)
			return c.nextMethod(suggested)
		}
		return c.rejected(t) // nothing else has a value to settle for
	}
	return nil
}

// ownMRU is the MRU that was configured.
func (c *lcp) ownMRU() ppp.MRU {
	for _, o := range c.link.cfg.LCP {
		if m, ok := o.(ppp.MRU); ok {
			return m
		}
	}
	return DefaultMRU
}

func (c *lcp) rejected(t uint8) *Error {
	switch t {
	case typeAuthentication:
		return c.nextMethod(ppp.AuthenticationProtocol{})
	case typeMagic:
		c.magic = 0
	}
	c.drop(t)
	return nil
}

// nextMethod turns to what the peer suggests, or else to the next method.
func (c *lcp) nextMethod(suggested ppp.AuthenticationProtocol) *Error {
	refused := c.methods[0].Option()
	c.methods = slices.DeleteFunc(c.methods, func(m pppauth.Method) bool { return m.Option() == refused })
	if len(c.methods) == 0 {
		wants := ""
		if suggested.Protocol != 0 {
			wants = fmt.Sprintf(" and last wanted %v", suggested)
		}
		return failure(StepAuthentication, "no method in common: the peer refused %s%s", optionList(c.link.cfg.Methods), wants)
	}
	if i := slices.IndexFunc(c.methods, func(m pppauth.Method) bool { return m.Option() == suggested }); i > 0 {
		m := c.methods[i]
		c.methods = slices.Insert(slices.Delete(c.methods, i, i+1), 0, m)
	}
	c.askMethod()
	return nil
}

// optionList names what LCP calls the methods: "EAP, CHAP MS-CHAP-V2".
func optionList(methods []pppauth.Method) string {
	var names []string
	for _, m := range methods {
		if n := m.Option().String(); !slices.Contains(names, n) {
			names = append(names, n)
		}
	}
	return strings.Join(names, ", ")
}

func (c *lcp) confirmed() *Error { return nil }

func (c *lcp) judge(o ppp.Option) (verdict, ppp.Option, *Error) {
	q := &c.link.cfg.Quirks
	t := o.OptionType()
	if slices.Contains(q.RejectLCP, t) {
		return reject, nil, nil
	}
	switch o := o.(type) {
	case ppp.MRU:
		switch {
		case o < minMRU:
			return nak, ppp.MRU(minMRU), nil
		case q.MaxPeerMRU > 0 && o > q.MaxPeerMRU:
			return nak, q.MaxPeerMRU, nil
		}
		return accept, nil, nil
	case ppp.ACCM, ppp.ProtocolFieldCompression, ppp.AddressAndControlFieldCompression:
		return accept, nil, nil
	case ppp.Callback:
		if q.Callback && o.Operation == ppp.CallbackCBCP {
			return accept, nil, nil
		}
		return reject, nil, nil
	case ppp.MagicNumber:
		return c.judgeMagic(uint32(o))
	}
	switch t {
	case typeMRU: // of a wrong length: RFC 1661, Section 6
		return nak, ppp.MRU(DefaultMRU), nil
	case typeMagic:
		return nak, ppp.MagicNumber(c.link.randomMagic()), nil
	case typeAuthentication:
		return c.judgeAuthentication(o)
	}
	return reject, nil, nil
}

// judgeMagic follows RFC 1661, Section 6.4.
func (c *lcp) judgeMagic(magic uint32) (verdict, ppp.Option, *Error) {
	if magic != 0 { // this end's own was sorted out before: loopReply
		return accept, nil, nil
	}
	return nak, ppp.MagicNumber(c.link.randomMagic()), nil
}

// loopPause is how long after hearing itself this end asks again. A loop may be gone
// by then: a terminal echoes until the program behind it has set it up.
const loopPause = 500 * time.Millisecond

// loopReply answers a Configure-Request of LCP that is this end's own: with a
// Configure-Nak of the Magic-Number alone, because all else in it is what this end
// wants (RFC 1661, Section 6.4).
func (c *lcp) loopReply(p *protocol, m configure) (reply configure, looped bool, err *Error) {
	if p.number != ppp.ProtocolLCP || c.magic == 0 || !slices.Contains(m.Options, ppp.Option(ppp.MagicNumber(c.magic))) {
		return configure{}, false, nil
	}
	if err := c.looped(); err != nil {
		return configure{}, true, err
	}
	c.suggested = c.link.randomMagic()
	reply = configure{Code: ppp.CodeConfigureNak, Identifier: m.Identifier, Options: []ppp.Option{ppp.MagicNumber(c.suggested)}}
	return reply, true, nil
}

// isOwnNak says that m is a Configure-Nak of loopReply, come back.
func (c *lcp) isOwnNak(p *protocol, m configure) bool {
	return p.number == ppp.ProtocolLCP && m.Code == ppp.CodeConfigureNak && c.suggested != 0 &&
		slices.Equal(m.Options, []ppp.Option{ppp.MagicNumber(c.suggested)})
}

// again has LCP ask with another Magic-Number, in a while.
func (c *lcp) again() {
	c.suggested = 0
	c.setMagic(ppp.MagicNumber(c.link.randomMagic()))
	c.link.lcp.deadline = c.link.now.Add(loopPause)
}

// looped counts one more request with this end's own Magic-Number.
func (c *lcp) looped() *Error {
	c.loops++
	if c.loops < maxLoops {
		return nil
	}
	return failure(StepLoop, "this end hears itself: its own Magic-Number came back %d times; something on the way sends back what it gets", c.loops)
}

// judgeAuthentication is about how the peer wants this end to prove who it is.
func (c *lcp) judgeAuthentication(o ppp.Option) (verdict, ppp.Option, *Error) {
	methods := c.link.cfg.Methods
	if c.link.cfg.Role == Server || len(methods) == 0 {
		return reject, nil, nil
	}
	wanted, ok := o.(ppp.AuthenticationProtocol)
	if ok && slices.ContainsFunc(methods, func(m pppauth.Method) bool { return m.Option() == wanted }) {
		c.untaken = ""
		return accept, nil, nil
	}
	c.untaken = "a protocol that does not parse"
	if ok {
		c.untaken = wanted.String()
	}
	return nak, methods[0].Option(), nil
}

func (c *lcp) missing([]ppp.Option) []ppp.Option { return nil }

func (c *lcp) granted(options []ppp.Option) {
	c.peer = peerOptions{mru: DefaultMRU}
	for _, o := range options {
		switch o := o.(type) {
		case ppp.MRU:
			c.peer.mru = int(o)
		case ppp.AddressAndControlFieldCompression:
			c.peer.acfc = true
		case ppp.ProtocolFieldCompression:
			c.peer.pfc = true
		case ppp.Callback:
			c.peer.callback = true
		case ppp.AuthenticationProtocol:
			c.peer.method = first(o, c.link.cfg.Methods)
		}
	}
}

// first returns the first of the methods that o asks for, 0 if none is.
func first(o ppp.AuthenticationProtocol, methods []pppauth.Method) pppauth.Method {
	for _, m := range methods {
		if m.Option() == o {
			return m
		}
	}
	return 0
}

// method is what the ends have agreed on to authenticate the client with.
func (c *lcp) method() pppauth.Method {
	if c.link.cfg.Role == Client {
		return c.peer.method
	}
	if len(c.methods) == 0 {
		return 0
	}
	return c.methods[0]
}

// callback reports whether the client's request for CBCP was acknowledged.
func (c *lcp) callback() bool {
	if c.link.cfg.Role == Server {
		return c.peer.callback
	}
	i := c.index(typeCallback)
	if i < 0 {
		return false
	}
	o, ok := c.wishes[i].(ppp.Callback)
	return ok && o.Operation == ppp.CallbackCBCP
}

func (c *lcp) up() {
	c.loops = 0
	c.link.established()
}

func (c *lcp) down()             { c.link.lcpDown() }
func (c *lcp) finished()         { c.link.lcpFinished() }
func (c *lcp) failed(err *Error) { c.link.fail(err) }
