package nft

import (
	"github.com/google/nftables"
)

var (
	hookPrerouting = Hook{"prerouting", *nftables.ChainHookPrerouting}
	hookOutput     = Hook{"output", *nftables.ChainHookOutput}

	priorityMangle = Priority{"mangle", *nftables.ChainPriorityMangle}
	priorityDstnat = Priority{"dstnat", *nftables.ChainPriorityNATDest}
	// nft has the name for the hook prerouting only.
	priorityDstnatOutput = Priority{"-100", *nftables.ChainPriorityNATDest}
)

// Sets of the proxy's table; each is there only if the scope needs it.
const (
	setInterfaces = "interfaces"
	setClients4   = "clients4"
	setClients6   = "clients6"
	setPorts      = "ports"
	setExcluded4  = "excluded4"
	setExcluded6  = "excluded6"
)

// ProxyTable makes the proxy's table. The options have to be valid.
func ProxyTable(o ProxyOptions) Table {
	o = o.withDefaults()
	t := Table{Name: ProxyTableName, Sets: scopeSets(o.Scope)}
	if o.Mode == TPROXY {
		t.Chains = []Chain{tproxyChain(o)}
		return t
	}
	t.Chains = []Chain{redirectChain(o)}
	if o.Local {
		t.Chains = append(t.Chains, localChain(o))
	}
	return t
}

func scopeSets(s Scope) []Set {
	var sets []Set
	if len(s.Interfaces) > 0 {
		sets = append(sets, setOfInterfaces(setInterfaces, s.Interfaces))
	}
	if n := ofFamily(s.Networks, false); n != nil {
		sets = append(sets, setOfNetworks(setClients4, n))
	}
	if n := ofFamily(s.Networks, true); n != nil {
		sets = append(sets, setOfNetworks(setClients6, n))
	}
	if len(s.Ports) > 0 {
		sets = append(sets, setOfPorts(setPorts, joinPorts(s.Ports)))
	}
	if n := ofFamily(s.Exclude, false); n != nil {
		sets = append(sets, setOfNetworks(setExcluded4, n))
	}
	if n := ofFamily(s.Exclude, true); n != nil {
		sets = append(sets, setOfNetworks(setExcluded6, n))
	}
	return sets
}

func rule(name string, statements ...Statement) Rule { return Rule{name, statements} }

// unless is a rule that leaves alone what matches.
func unless(name string, match Statement) Rule { return rule(name, match, counter(), leave()) }

// outOfScope leaves alone what the scope does not hold.
func outOfScope(s Scope) []Rule {
	rules := []Rule{unless(CountToHost, toHost())}
	if len(s.Interfaces) > 0 {
		rules = append(rules, unless(CountNotInterface, interfaceNotIn(setInterfaces)))
	}
	if len(s.Networks) > 0 {
		rules = append(rules, notClients(s, familyIPv4, false, setClients4), notClients(s, familyIPv6, true, setClients6))
	}
	return append(rules, otherServers(s, CountNotPort, CountExcluded)...)
}

func notClients(s Scope, f family, ipv6 bool, set string) Rule {
	if ofFamily(s.Networks, ipv6) == nil {
		return unless(CountNotClient, isFamily(f))
	}
	return unless(CountNotClient, sourceNotIn(f, set))
}

// otherServers leaves alone what the scope does not hold because of where it goes.
func otherServers(s Scope, notPort, excluded string) []Rule {
	var rules []Rule
	if len(s.Ports) > 0 {
		rules = append(rules, unless(notPort, portNotIn(setPorts)))
	}
	if ofFamily(s.Exclude, false) != nil {
		rules = append(rules, unless(excluded, destinationIn(familyIPv4, setExcluded4)))
	}
	if ofFamily(s.Exclude, true) != nil {
		rules = append(rules, unless(excluded, destinationIn(familyIPv6, setExcluded6)))
	}
	return rules
}

// redirectChain sees the first packet of every connection, as all chains of type nat do.
// That may be one from the middle of it, if the kernel has not tracked it before: it would
// be reset.
func redirectChain(o ProxyOptions) Chain {
	c := Chain{Name: "prerouting", Type: nftables.ChainTypeNAT, Hook: hookPrerouting, Priority: priorityDstnat}
	c.Rules = append(c.Rules, unless(CountNotTCP, notTCP()), unless(CountNotNew, notNew()))
	c.Rules = append(c.Rules, outOfScope(o.Scope)...)
	c.Rules = append(c.Rules, rule(CountProxied, isTCP(), counter(), redirectTo(o.Port)))
	return c
}

// localChain takes the host's own connections. The proxy's are told by their mark:
// without that rule each would come back to it.
func localChain(o ProxyOptions) Chain {
	c := Chain{Name: "output", Type: nftables.ChainTypeNAT, Hook: hookOutput, Priority: priorityDstnatOutput}
	c.Rules = append(c.Rules,
		unless(CountLocalNotTCP, notTCP()),
		unless(CountLocalNotNew, notNew()),
		unless(CountLocalOwn, markIs(o.Mark, o.Mask)),
		unless(CountLocalToHost, toHost()))
	c.Rules = append(c.Rules, otherServers(o.Scope, CountLocalNotPort, CountLocalExcluded)...)
	c.Rules = append(c.Rules, rule(CountLocalProxied, isTCP(), counter(), redirectTo(o.Port)))
	return c
}

// tproxyChain sees every packet, so the order is that of frequency.
//
// A connection is taken with its first packet or not at all: tproxy alone would also
// give the middle of a connection that goes past to the listener, which resets it. Later
// packets go to the connection's socket. Where SYN cookies stand for one there is none yet,
// and for a server's port that is the transparent one the listener may be found instead;
// so the connection has the mark too, by which the rest is given to tproxy. That holds for
// the client's direction, since with the proxy gone a server's answers have to go past.
//
// What the proxy sends does not come through this hook, so no loop is possible.
func tproxyChain(o ProxyOptions) Chain {
	divert := o.Divert()
	c := Chain{Name: "prerouting", Type: nftables.ChainTypeFilter, Hook: hookPrerouting, Priority: priorityMangle}
	c.Rules = append(c.Rules,
		unless(CountNotTCP, notTCP()),
		rule(CountEstablished, notNew(), portIsNot(o.Port), transparentSocket(), counter(), setMark(divert, o.Mask), accept()),
		rule(CountResumed, notNew(), connectionMarkIs(divert, o.Mask), fromClient(), tproxyTo(o.Port), counter(), setMark(divert, o.Mask), accept()),
		unless(CountNotNew, notNew()))
	c.Rules = append(c.Rules, outOfScope(o.Scope)...)
	c.Rules = append(c.Rules, rule(CountProxied, isTCP(), tproxyTo(o.Port), counter(),
		setConnectionMark(divert, o.Mask), setMark(divert, o.Mask), accept()))
	if !o.FailOpen {
		c.Rules = append(c.Rules, rule(CountStopped, isTCP(), counter(), drop()))
	}
	return c
}
