package nft

import (
	"slices"

	"github.com/google/nftables"
)

var (
	hookForward = Hook{"forward", *nftables.ChainHookForward}
	hookInput   = Hook{"input", *nftables.ChainHookInput}

	// priorityInspect is after the host's own packet filter, so that nobody reads
	// what that drops, and before addresses are translated on the way to this
	// host: both directions of a connection have the same addresses here.
	priorityInspect = Priority{"filter + 10", 10}
)

// Chains of the inspector's table beside those of the hooks.
const (
	chainDecided    = "decided"     // came back from a queue with a verdict
	chainCut        = "cut"         // of a connection to be reset, on its way to who knows nothing of that
	chainBlocked    = "blocked"     // of a connection that was reset
	chainBanned     = "banned"      // to a banned server
	chainFromClient = "from_client" // is this a client's packet of the scope?
	chainFromServer = "from_server" // is this a server's?
	chainUnsettled  = "unsettled"   // in scope, and not seen before
	chainWatched    = "watched"     // to be queued

	// The two below are the way from the hook forward to the two above.
	chainForwardFromClient = "forward_from_client"
	chainForwardFromServer = "forward_from_server"
)

// InspectTable makes the inspector's table. The options have to be valid.
func InspectTable(o InspectOptions) Table {
	o = o.withDefaults()
	t := Table{Name: InspectTableName, Sets: append(scopeSets(o.Scope), banSets(o.BanMax)...)}
	if o.Statement == QueueCompat {
		t.Notes = []string{
			"This kernel has no queue statement. What stands below as such is the target",
			"NFQUEUE of iptables in its place, which nft can neither write nor list: it does",
			"not take this text here, and lists the table as one of iptables-nft.",
		}
	}
	t.Chains = append(t.Chains, decidedChain(o.Marks()), cutChain(), blockedChain(), bannedChain(o.Marks()), watchedChain(o), unsettledChain(o))
	if directed(o.Scope) {
		t.Chains = append(t.Chains, fromClientChain(o.Scope), fromServerChain(o.Scope))
	}
	if len(o.Scope.Interfaces) > 0 && slices.Contains(o.Hooks, HookForward) {
		t.Chains = append(t.Chains,
			Chain{Name: chainForwardFromClient, Rules: []Rule{unless(CountNotInterface, interfaceNotIn(setInterfaces)), onward(o.Scope, chainFromClient)}},
			Chain{Name: chainForwardFromServer, Rules: []Rule{unless(CountNotInterface, outInterfaceNotIn(setInterfaces)), onward(o.Scope, chainFromServer)}})
	}
	for _, h := range HookNames() {
		if slices.Contains(o.Hooks, h) {
			t.Chains = append(t.Chains, hookChain(h, o))
		}
	}
	return t
}

// directed says whether the scope tells clients from servers by more than interfaces.
func directed(s Scope) bool { return len(s.Networks) > 0 || len(s.Ports) > 0 || len(s.Exclude) > 0 }

// onward goes to a chain that looks at the scope, or past it if there is nothing to look at.
func onward(s Scope, chain string) Rule {
	if !directed(s) {
		chain = chainUnsettled
	}
	return rule("in_scope", goTo(chain))
}

// hookChain is where packets come in, so its order is that of frequency. A packet that
// was queued comes here again with its verdict.
//
// Connections that a helper expects, as those of FTP, have their parent's mark from the
// first packet on. That one is not established, and so gets its own.
func hookChain(h HookName, o InspectOptions) Chain {
	m := o.Marks()
	c := Chain{Name: string(h), Type: nftables.ChainTypeFilter, Priority: priorityInspect}
	c.Rules = []Rule{
		unless(CountNotTCP, notTCP()),
		rule("decided", hasMark(m.Mask), jump(chainDecided)),
		rule(CountSettled, isEstablished(), connectionMarkIs(m.Settled, m.Mask), counter(), accept()),
		rule("watched", isEstablished(), connectionMarkIs(m.Watched, m.Mask), goTo(chainWatched)),
		rule("blocked", connectionMarkIs(m.Blocked, m.Mask), goTo(chainBlocked)),
		rule(CountDropped, connectionMarkIs(m.Dropped, m.Mask), counter(), drop()),
		unless(CountResetUnwatched, isReset()),
	}
	toClient, toServer := chainFromClient, chainFromServer
	byInterface := len(o.Scope.Interfaces) > 0
	switch h {
	case HookForward:
		c.Hook = hookForward
		if byInterface {
			toClient, toServer = chainForwardFromClient, chainForwardFromServer
		}
	case HookInput:
		c.Hook = hookInput
		c.Rules = append(c.Rules, unless(CountLoopback, comesBy("lo")))
		if byInterface {
			c.Rules = append(c.Rules, unless(CountNotInterface, interfaceNotIn(setInterfaces)))
		}
	case HookOutput:
		c.Hook = hookOutput
		if !o.Loopback {
			c.Rules = append(c.Rules, unless(CountLoopback, goesBy("lo")))
		}
		if byInterface {
			c.Rules = append(c.Rules, unless(CountNotInterface, outInterfaceNotIn(setInterfaces)))
		}
	}
	if !directed(o.Scope) && (h != HookForward || !byInterface) {
		c.Rules = append(c.Rules, rule("in_scope", goTo(chainUnsettled)))
		return c
	}
	c.Rules = append(c.Rules,
		rule("first", isFirst(), goTo(toClient)),
		rule("client", isEstablished(), fromClient(), goTo(toClient)),
		rule("server", isEstablished(), fromServer(), goTo(toServer)),
		// Whose packet this is cannot be told: the kernel has not seen the first.
		rule("client_or_server", jump(toClient)),
		rule("client_or_server", goTo(toServer)))
	return c
}

// decidedChain keeps a verdict, and takes it out of the packet's mark: others, and
// routing on the way out, find the mark as it was.
//
// A packet without a connection, untracked or invalid, ends the rule that would set the
// connection's mark. So nothing else may stand in such a rule: what has a verdict must
// never come to the queue again.
func decidedChain(m Marks) Chain {
	c := Chain{Name: chainDecided}
	for _, d := range []struct {
		name string
		mark uint32
		then Statement
	}{
		{CountDecidedSettled, m.Settled, accept()},
		{CountDecidedBlocked, m.Blocked, goTo(chainCut)},
		{CountDecidedDropped, m.Dropped, drop()},
	} {
		c.Rules = append(c.Rules,
			rule("keep", markIs(d.mark, m.Mask), setConnectionMark(d.mark, m.Mask)),
			rule(d.name, markIs(d.mark, m.Mask), counter(), setMark(0, m.Mask), d.then))
	}
	return c
}

// cutChain ends a connection at both ends with one packet of it: as a reset it goes on to
// its receiver. The sender, who misses an answer, sends it again and gets a reset, too.
func cutChain() Chain {
	return Chain{Name: chainCut, Rules: []Rule{
		rule(CountResetReceiver, canReset(), counter(), turnIntoReset(), accept()),
		rule("blocked", goTo(chainBlocked)),
	}}
}

// blockedChain lets resets pass, those that the rule below makes among them: in the hook
// output they belong to the connection of the packet that they answer.
func blockedChain() Chain {
	return Chain{Name: chainBlocked, Rules: []Rule{
		rule(CountResetPassed, isReset(), counter(), accept()),
		rule(CountResetSender, isTCP(), counter(), reject()),
	}}
}

// watchedChain looks at bans for every packet, so that they end connections that are not
// settled yet, too.
func watchedChain(o InspectOptions) Chain {
	c := Chain{Name: chainWatched}
	for _, b := range banKinds {
		if o.IgnoreBans {
			break
		}
		c.Rules = append(c.Rules, rule("banned", bannedIn(b.family(), b.client, b.set), goTo(chainBanned)))
	}
	c.Rules = append(c.Rules, rule(CountQueued, counter(), queueTo(o.Statement, o.Queue, o.Queues, o.FailOpen)))
	return c
}

// bannedChain sets the mark for the reset's own way out, see blockedChain. There may be no
// connection to mark, see decidedChain.
func bannedChain(m Marks) Chain {
	return Chain{Name: chainBanned, Rules: []Rule{
		rule("blocked", setConnectionMark(m.Blocked, m.Mask)),
		rule(CountBanned, isTCP(), counter(), reject()),
	}}
}

func unsettledChain(o InspectOptions) Chain {
	m := o.Marks()
	c := Chain{Name: chainUnsettled, Rules: []Rule{
		rule(CountNew, isFirst(), counter(), setConnectionMark(m.Watched, m.Mask), goTo(chainWatched)),
	}}
	switch o.Midstream {
	case MidstreamLet:
		c.Rules = append(c.Rules,
			rule(CountUntracked, isUntracked(), counter(), accept()),
			rule(CountMidstream, counter(), setConnectionMark(m.Settled, m.Mask), accept()))
	case MidstreamCut:
		// What cannot be followed may be a stray packet of a connection that is
		// to live on.
		c.Rules = append(c.Rules,
			rule(CountUntracked, isUntracked(), counter(), drop()),
			rule(CountMidstream, counter(), setConnectionMark(m.Blocked, m.Mask), goTo(chainCut)))
	default:
		c.Rules = append(c.Rules,
			rule(CountUntracked, isUntracked(), counter(), goTo(chainWatched)),
			rule(CountMidstream, counter(), setConnectionMark(m.Watched, m.Mask), goTo(chainWatched)))
	}
	return c
}

// fromClientChain returns what the scope does not hold.
func fromClientChain(s Scope) Chain {
	c := Chain{Name: chainFromClient}
	if len(s.Networks) > 0 {
		c.Rules = append(c.Rules, notClients(s, familyIPv4, false, setClients4), notClients(s, familyIPv6, true, setClients6))
	}
	c.Rules = append(c.Rules, otherServers(s, CountNotPort, CountExcluded)...)
	c.Rules = append(c.Rules, rule("in_scope", goTo(chainUnsettled)))
	return c
}

// fromServerChain is fromClientChain with source and destination the other way round.
func fromServerChain(s Scope) Chain {
	c := Chain{Name: chainFromServer}
	for _, f := range []struct {
		family
		ipv6              bool
		clients, excluded string
	}{{familyIPv4, false, setClients4, setExcluded4}, {familyIPv6, true, setClients6, setExcluded6}} {
		if len(s.Networks) > 0 {
			other := isFamily(f.family)
			if ofFamily(s.Networks, f.ipv6) != nil {
				other = destinationNotIn(f.family, f.clients)
			}
			c.Rules = append(c.Rules, unless(CountNotClient, other))
		}
		if ofFamily(s.Exclude, f.ipv6) != nil {
			c.Rules = append(c.Rules, unless(CountExcluded, sourceIn(f.family, f.excluded)))
		}
	}
	if len(s.Ports) > 0 {
		c.Rules = append(c.Rules, unless(CountNotPort, sourcePortNotIn(setPorts)))
	}
	c.Rules = append(c.Rules, rule("in_scope", goTo(chainUnsettled)))
	return c
}
