package doctor

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"kernel.org/pub/linux/libs/security/libcap/cap"

	"sstpwarden/nfq/nft"
	"sstpwarden/pcaps/netlab"
)

const areaNFQ = "nfq"

// nfq looks at what the inspector needs of the kernel, then has it happen.
func (e *examination) nfq(ctx context.Context) {
	if !e.capability(areaNFQ, cap.NET_ADMIN) {
		return
	}
	c := &e.config.NFQ
	if slices.Contains(c.Hooks, string(nft.HookForward)) {
		e.forwarding(areaNFQ)
	}
	options := c.Table(c.Queues.Number())
	e.queues(options)
	features, err := nft.CheckInspect(options)
	if err != nil {
		e.find(areaNFQ, "kernel", Unknown, err.Error(), "")
		return
	}
	if e.features(areaNFQ, features) {
		e.proveInspection(ctx, options)
	}
}

// queues looks whether somebody else has one that is configured.
func (e *examination) queues(o nft.InspectOptions) {
	b, err := os.ReadFile("/proc/thread-self/net/netfilter/nfnetlink_queue")
	if err != nil {
		return // the kernel's part is looked at elsewhere
	}
	var taken []string
	for line := range strings.Lines(string(b)) {
		fields := strings.Fields(line)
		if len(fields) == 0 {
			continue
		}
		n, err := strconv.Atoi(fields[0])
		if err == nil && n >= int(o.Queue) && n < int(o.Queue)+int(o.Queues) {
			taken = append(taken, fields[0])
		}
	}
	if taken != nil {
		e.find(areaNFQ, "queues", Warning, "somebody listens to queue "+strings.Join(taken, ", ")+" already",
			"if that is not sstpwarden, choose other numbers (nfq.queues.first)")
		return
	}
	e.find(areaNFQ, "queues", OK, fmt.Sprintf("from number %d on they are free", o.Queue), "")
}

// proveInspection has connections inspected in a network of three hosts.
func (e *examination) proveInspection(ctx context.Context, o nft.InspectOptions) {
	o.Hooks, o.Scope, o.Loopback = []nft.HookName{nft.HookForward}, nft.Scope{}, false
	o.Queues, o.FailOpen, o.Keep = 1, true, false
	for _, server := range []string{netlab.Server4, netlab.Server6} {
		family := "over IPv4"
		if strings.Contains(server, ":") {
			family = "over IPv6"
		}
		for _, p := range proofs {
			detail, err := p.run(ctx, o, server)
			name := "proof of " + p.name + " " + family
			if err != nil {
				e.find(areaNFQ, name, Missing, err.Error(), "")
				continue
			}
			e.find(areaNFQ, name, OK, detail, "")
		}
	}
}
