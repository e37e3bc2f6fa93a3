package main

import (
	"net/netip"

	"github.com/spf13/cobra"

	"sstpwarden/cmd/daemon"
	"sstpwarden/proxy/access"
	"sstpwarden/proxy/probe"
)

// services are the commands that run in a network, or tell of those that do.
func services() []*cobra.Command {
	return []*cobra.Command{newProxy(), newNFQ(), newBypass(), newBans(), newConfig(), newDoctor()}
}

// newAsker asks servers where policies say so; nil where that is off.
func newAsker(c daemon.Probe) *probe.Asker {
	if !c.Enabled {
		return nil
	}
	allowed := access.Networks(c.Allow)
	return probe.NewAsker(probe.AskerOptions{Rate: c.Rate, Allowed: func(a netip.Addr) error {
		if allowed.Contains(a) {
			return nil
		}
		return probe.Public(a)
	}})
}
