package inspect

import (
	"sstpwarden/inspect/tlswire"
)

// An OpenedTLS is what somebody knows who stands in the middle of a flow's TLS:
// its session with the server.
type OpenedTLS struct {
	Version tlswire.Version
	Suite   tlswire.CipherSuite
	ALPN    string
	// Chain is the server's, in DER, its own certificate first.
	Chain [][]byte
}

// OpenTLS says that the flow's outermost TLS, of which a ClientHello was read, is
// open from now on: what it carries comes by FeedOpened, and Feed is not called
// any more. It does nothing, and returns false, on a flow without TLS or one
// that is settled.
func (f *Flow) OpenTLS(o OpenedTLS) (changed bool) {
	l := f.outerTLS
	if l == nil || f.layer == nil {
		return false
	}
	f.changed = false
	facts := l.facts
	facts.ServerHello, facts.Opened = true, true
	facts.Version, facts.Suite, facts.ALPN = o.Version, o.Suite, o.ALPN
	l.suite, _ = tlswire.SuiteByID(o.Suite)
	facts.SizesExact = l.suite.Cipher.BlockLen() == 0
	f.note(onHello)
	if len(o.Chain) > 0 {
		c := &tlswire.Certificate{}
		for _, der := range o.Chain {
			c.Entries = append(c.Entries, tlswire.CertificateEntry{Data: der})
		}
		facts.Certificate = f.in.chains.traits(c)
		f.note(onCertificate)
	}
	return f.changed
}

// FeedOpened takes the next bytes of one direction of TLS that OpenTLS was told
// of, in clear, and says whether the Detection changed.
func (f *Flow) FeedOpened(s Segment) (changed bool) {
	l := f.outerTLS
	if l == nil || f.layer == nil || !l.facts.Opened {
		return false
	}
	f.changed = false
	f.now = s.Time
	f.obs.Seen[s.Direction.index()] = true
	l.plaintext(f, s, s.Data)
	if f.Settled() {
		f.release()
	}
	return f.changed
}
