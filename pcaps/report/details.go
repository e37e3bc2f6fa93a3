package report

import (
	"fmt"
	"strings"

	"sstpwarden/inspect"
	"sstpwarden/policies/event"
)

// details lay out one connection.
type details struct {
	ID     string
	Number int
	Open   bool
	// What stands in the line that unfolds.
	Verdict, Class, Kind string
	Client, Server       string
	User, Began, Action  string
	Drop                 bool

	Facts    []fact // who, where and how much
	Policy   []ruling
	Evidence *chart
	Session  []moment
	Groups   []group
}

// A ruling is what a policy decided.
type ruling struct {
	Name, Action, Reason string
	Drop                 bool
	Rule, Revision       string
	With                 string // ban, reset and the like
}

// A group of facts under a title.
type group struct {
	Title string
	Facts []fact
}

func newDetails(e *event.Event, place int, s inspect.Settings) details {
	name, _ := serverName(serverOf(e))
	verdict := e.Detection.Verdict.String()
	d := details{
		ID: anchor(place), Number: place + 1,
		Verdict: verdict, Class: verdictClass(verdict), Kind: e.Detection.Kind.String(),
		Client: end(e.SrcIP, e.SrcPort), Server: short(name, maxField),
		User: short(userOf(e), maxField), Began: clock(e.Timestamp.Time),
		Action: action(e.Decision), Drop: actionClass(e.Decision) != "",
		Facts:    connectionFacts(e),
		Evidence: newChart(&e.Detection, s),
		Session:  session(e),
	}
	d.rule("Policy", e.Decision)
	d.rule("Compared policy", e.OtherDecision)
	for _, g := range []group{
		{"PPP", pppFacts(e.PPP)},
		{"SSTP", sstpFacts(e.SSTP)},
		{"Proxy", connectFacts(e.Connect)},
		{"HTTP", httpFacts(e.HTTP)},
		{"TLS", tlsFacts(e.TLS)},
		{"For other tools", idFacts(e)},
	} {
		if len(g.Facts) > 0 {
			d.Groups = append(d.Groups, g)
		}
	}
	return d
}

func (d *details) rule(name string, of *event.Decision) {
	if of == nil {
		return
	}
	var with []string
	for _, w := range []struct {
		is   bool
		text string
	}{
		{of.Reset, "reset of both ends"},
		{of.Ban != "", "ban for " + short(of.Ban, maxField)},
		{of.Intercept, "interception of TLS, which breaks SSTP's crypto binding"},
		{of.Probe, "probe of the server"},
		{of.DryRun, "dry run"},
	} {
		if w.is {
			with = append(with, w.text)
		}
	}
	d.Policy = append(d.Policy, ruling{
		Name: name, Action: action(of), Drop: of.Action == "drop", Reason: short(of.Reason, maxTitle),
		Rule: short(of.Rule, maxField), Revision: short(of.Revision, maxField), With: strings.Join(with, ", "),
	})
}

// connectionFacts says who, where and how much.
func connectionFacts(e *event.Event) []fact {
	var fs facts
	fs.mono("Client", end(e.SrcIP, e.SrcPort))
	fs.add(userLabel(e), userOf(e))
	if e.PPP != nil {
		if e.PPP.User != userOf(e) {
			fs.add("User, by PPP", e.PPP.User)
		}
		fs.mono("Inner address", address(e.PPP.ClientIP), address(e.PPP.ClientIP6))
	}
	s := serverOf(e)
	fs.add("Server", s.Name)
	fs.mono("Server address", end(s.IP, s.Port))
	if e.Connect != nil {
		fs.mono("Through proxy", end(e.DestIP, e.DestPort))
	}
	fs.add("Programs", programs(&e.Detection))
	fs.add("Began, UTC", clockFine(e.Timestamp.Time))
	fs.add("Lasted", Lasted(e.Duration))
	fs.add("To the server", traffic(e.BytesToServer, e.PktsToServer))
	fs.add("To the client", traffic(e.BytesToClient, e.PktsToClient))
	switch e.Seen {
	case "", "both":
	default:
		fs.note("Seen", "only what the "+short(e.Seen, maxField)+" sent", "a capture of one direction")
	}
	if e.Midstream {
		fs.add("Beginning", "not captured")
	}
	if e.LostBytes > 0 {
		fs.add("Missing", number(e.LostBytes)+" bytes, which the capture lacks")
	}
	return fs.list
}

// userLabel says whose word a user's name is.
func userLabel(e *event.Event) string {
	switch {
	case e.User != "":
		return "User"
	case e.PPP != nil && e.PPP.User != "":
		return "User, by PPP"
	}
	return "User, claimed to the proxy"
}

func traffic(bytes, packets uint64) string {
	text := Size(bytes)
	if bytes >= 1000 {
		text += " (" + number(bytes) + ")"
	}
	if packets > 0 {
		text += " in " + count(packets, "packet")
	}
	return text
}

// idFacts are what other tools find the connection by.
func idFacts(e *event.Event) []fact {
	var fs facts
	fs.mono("Community ID", e.CommunityID)
	fs.mono("Flow ID", fmt.Sprint(e.FlowID))
	fs.mono("File", e.Source)
	if e.SrcIP.IsValid() && e.DestIP.IsValid() {
		ip := "ip"
		if e.SrcIP.Is6() && !e.SrcIP.Is4In6() {
			ip = "ipv6"
		}
		fs.mono("Wireshark filter", fmt.Sprintf("%s.addr == %s && tcp.port == %d && %s.addr == %s && tcp.port == %d",
			ip, address(e.SrcIP), e.SrcPort, ip, address(e.DestIP), e.DestPort))
	}
	return fs.list
}
