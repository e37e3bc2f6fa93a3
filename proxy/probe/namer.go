package probe

import (
	"crypto/tls"
	_ "embed"
	"slices"
	"time"

	"go.yaml.in/yaml/v3"

	"sstpwarden/inspect"
	"sstpwarden/inspect/tlswire"
	"sstpwarden/rules"
)

// servers are rules for servers that the detection rules do not name. A set that
// has a rule of the same id keeps its own.
//
//go:embed servers.yaml
var servers []byte

// A namer tells implementations apart by the detection rules.
type namer struct {
	inspector *inspect.Inspector
	// telling are the rules that speak of the server, with whom they name, "" for
	// none.
	telling map[string]string
}

func newNamer(set *inspect.Ruleset) namer {
	if set == nil {
		set = rules.Default()
	}
	var more struct{ Rules []inspect.Rule }
	if err := yaml.Unmarshal(servers, &more); err != nil {
		panic(err) // the tests read them
	}
	all := set.Rules()
	for _, r := range more.Rules {
		if !slices.ContainsFunc(all, func(have inspect.Rule) bool { return have.ID == r.ID }) {
			all = append(all, r)
		}
	}
	if both, err := inspect.NewRuleset(set.Settings(), all, set.Revision()); err == nil {
		set = both // else the set is as large as sets may be
	}
	n := namer{inspector: inspect.NewInspector(inspect.Options{Rules: set}), telling: map[string]string{}}
	for _, r := range set.Rules() {
		if r.Server != "" || r.Match.Certificate != nil {
			n.telling[r.ID] = r.Server
		}
	}
	return n
}

// A session is what an observer in the middle of a probe's connection would have
// seen of it.
type session struct {
	hello             []byte
	state             tls.ConnectionState
	request, response []byte
}

// name gives the implementation, "" if it is unknown, and what speaks for it, and
// for SSTP in the certificate. The rest of the evidence is the probe's own doing: it
// was the one to ask for SSTP.
func (n *namer) name(s session) (implementation string, evidence []inspect.Evidence) {
	start := time.Now()
	f := n.inspector.Open(inspect.FlowKey{}, start)
	f.Feed(inspect.Segment{Direction: inspect.ClientToServer, Time: start, Data: s.hello})
	opened := inspect.OpenedTLS{Version: tlswire.Version(s.state.Version), Suite: tlswire.CipherSuite(s.state.CipherSuite)}
	for _, c := range s.state.PeerCertificates {
		opened.Chain = append(opened.Chain, c.Raw)
	}
	f.OpenTLS(opened)
	f.FeedOpened(inspect.Segment{Direction: inspect.ClientToServer, Time: start, Data: s.request})
	f.FeedOpened(inspect.Segment{Direction: inspect.ServerToClient, Time: start, Data: s.response})
	d := f.Detection()
	for _, e := range d.Evidence {
		if server, ok := n.telling[e.Rule]; ok && (server == "" || server == d.Server) {
			e.Detail = cut(e.Detail, 2*maxText)
			evidence = append(evidence, e)
		}
	}
	return d.Server, evidence
}
