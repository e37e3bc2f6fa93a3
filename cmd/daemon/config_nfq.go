package daemon

import (
	"fmt"
	"math/bits"
	"runtime"
	"slices"

	"sstpwarden/nfq"
	"sstpwarden/nfq/nft"
)

// NFQ configures `sstpwarden nfq`.
type NFQ struct {
	Hooks      []string      `yaml:"hooks"` // as nft.HookName
	Scope      Scope         `yaml:"scope"`
	Loopback   bool          `yaml:"loopback"`
	Fail       string        `yaml:"fail"` // FailOpen or FailClosed
	Keep       bool          `yaml:"keep"`
	Reset      bool          `yaml:"reset"`
	Exceptions NFQExceptions `yaml:"exceptions"`
	Simulate   []string      `yaml:"simulate"` // words of nfq.Cause
	Queues     NFQQueues     `yaml:"queues"`
	Limits     NFQLimits     `yaml:"limits"`
	Mask       int           `yaml:"mask"`
	Probe      Probe         `yaml:"probe"`
}

// NFQExceptions are words of nfq.Choice, by what stands in the way.
type NFQExceptions struct {
	Midstream  string `yaml:"midstream"`
	Memory     string `yaml:"memory"`
	Undecided  string `yaml:"undecided"`
	Unreadable string `yaml:"unreadable"` // let or cut
	Conflict   string `yaml:"conflict"`   // let or cut
	Overflow   string `yaml:"overflow"`   // let or cut; "" for what Fail says
}

// NFQQueues are the kernel's queues.
type NFQQueues struct {
	First  int  `yaml:"first"`
	Count  int  `yaml:"count"` // 0 for one per processor
	Length int  `yaml:"length"`
	Buffer Size `yaml:"buffer"`
}

// Number is how many there are to be.
func (q *NFQQueues) Number() int {
	if q.Count > 0 {
		return q.Count
	}
	return runtime.GOMAXPROCS(0)
}

// NFQLimits bound what is looked at.
type NFQLimits struct {
	Connections int  `yaml:"connections"` // for each queue
	Budget      Size `yaml:"budget"`      // for each connection
	Bans        int  `yaml:"bans"`
}

func defaultNFQ() NFQ {
	hooks := make([]string, 0, len(nft.HookNames()))
	for _, h := range nft.HookNames() {
		hooks = append(hooks, string(h))
	}
	return NFQ{
		Hooks: hooks, Fail: FailOpen, Reset: true,
		Exceptions: NFQExceptions{
			Midstream: nfq.Watch.String(), Memory: nfq.Watch.String(),
			Undecided: nfq.Let.String(), Unreadable: nfq.Let.String(), Conflict: nfq.Cut.String(),
		},
		Queues: NFQQueues{First: int(nft.DefaultQueue), Length: nfq.DefaultLength, Buffer: nfq.DefaultBuffer},
		Limits: NFQLimits{Connections: nfq.DefaultMaxFlows, Budget: nfq.DefaultBudget, Bans: int(nft.DefaultBanMax)},
		Mask:   int(nft.DefaultInspectMask),
		Probe:  Probe{Rate: 1},
	}
}

// maxQueues is more than there are processors to read them.
const maxQueues = 256

func (k *checker) nfq(c *NFQ) {
	k.words("nfq.hooks", c.Hooks, string(nft.HookForward), string(nft.HookInput), string(nft.HookOutput))
	if len(c.Hooks) == 0 {
		k.wrong("nfq.hooks", "nothing would be inspected", "list hooks, or leave it out for all")
	}
	if c.Loopback && !slices.Contains(c.Hooks, string(nft.HookOutput)) {
		k.wrong("nfq.loopback", "this machine's connections to itself are inspected in the hook output, which is not among nfq.hooks", "add it, or leave loopback out")
	}
	k.interfaces("nfq.scope.interfaces", c.Scope.Interfaces)
	k.oneOf("nfq.fail", c.Fail, FailOpen, FailClosed)
	choices := []string{nfq.Let.String(), nfq.Watch.String(), nfq.Cut.String()}
	e := &c.Exceptions
	k.oneOf("nfq.exceptions.midstream", e.Midstream, choices...)
	k.oneOf("nfq.exceptions.memory", e.Memory, choices...)
	k.oneOf("nfq.exceptions.undecided", e.Undecided, choices...)
	k.oneOf("nfq.exceptions.unreadable", e.Unreadable, nfq.Let.String(), nfq.Cut.String())
	k.oneOf("nfq.exceptions.conflict", e.Conflict, nfq.Let.String(), nfq.Cut.String())
	if e.Overflow != "" {
		k.oneOf("nfq.exceptions.overflow", e.Overflow, nfq.Let.String(), nfq.Cut.String())
	}
	var causes []string
	for _, cause := range nfq.Causes() {
		causes = append(causes, cause.String())
	}
	k.words("nfq.simulate", c.Simulate, causes...)
	q := &c.Queues
	if q.Count < 0 || q.Count > maxQueues {
		k.wrong("nfq.queues.count", fmt.Sprintf("%d does not do", q.Count), fmt.Sprintf("write a number from 1 to %d, or 0 for one per processor", maxQueues))
	}
	k.within("nfq.queues.first", q.First, 1<<16-maxQueues)
	k.within("nfq.queues.length", q.Length, 1<<22)
	k.size("nfq.queues.buffer", q.Buffer, 64<<10, 1<<30)
	k.within("nfq.limits.connections", c.Limits.Connections, 1<<24)
	k.size("nfq.limits.budget", c.Limits.Budget, 16<<10, 1<<30)
	k.within("nfq.limits.bans", c.Limits.Bans, 1<<24)
	if c.Mask < 0 || c.Mask > 1<<32-1 || bits.OnesCount32(uint32(c.Mask)) < 3 {
		k.wrong("nfq.mask", fmt.Sprintf("%#x does not do", c.Mask), "write a mask of 32 bits with three of them set at least, such as 0x0e000000")
	}
	k.rate("nfq.probe.rate", c.Probe.Rate)
}

// Table gives the options of the firewall's table. They are valid where the
// configuration is.
func (c *NFQ) Table(queues int) nft.InspectOptions {
	o := nft.InspectOptions{
		Queue: uint16(c.Queues.First), Queues: uint16(queues), Scope: c.Scope.Table(), Loopback: c.Loopback,
		Mask: uint32(c.Mask), Midstream: nft.Midstream(c.Exceptions.Midstream), BanMax: uint32(c.Limits.Bans),
		FailOpen: c.Fail == FailOpen, Keep: c.Keep,
	}
	for _, h := range c.Hooks {
		o.Hooks = append(o.Hooks, nft.HookName(h))
	}
	return o
}

// OverflowPasses says that packets pass for which a queue has no room.
func (c *NFQ) OverflowPasses() bool {
	if c.Exceptions.Overflow == "" {
		return c.Fail == FailOpen
	}
	return c.Exceptions.Overflow == nfq.Let.String()
}

// Table gives the scope of a firewall's table.
func (s *Scope) Table() nft.Scope {
	out := nft.Scope{Interfaces: s.Interfaces, Networks: s.Networks, Exclude: s.Exclude}
	for _, p := range s.Ports {
		out.Ports = append(out.Ports, nft.PortRange(p))
	}
	return out
}
