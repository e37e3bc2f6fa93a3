package proxy

import (
	"context"
	"net/netip"

	"sstpwarden/policies/event"
	"sstpwarden/proxy/bypass"
	"sstpwarden/proxy/probe"
)

// wantsOpening says whether the policy wants the session's TLS opened, and nothing
// exempts it. A policy that is tried out opens nothing. It is called once, when the
// ClientHello was read.
func (k *session) wantsOpening() bool {
	d := k.decision
	if !d.Intercept || d.DryRun || k.dropped() {
		return false
	}
	if k.srv.config.Intercept == nil {
		k.srv.counts.notOpened.Add(1)
		k.srv.log.warn("intercept", "the policy wants TLS opened, and interception is not set up", "client", k.info.Key.Client, "rule", d.Rule)
		return false
	}
	if e, ok := k.srv.config.Bypass.Match(k.query()); ok {
		k.srv.counts.bypassed.Add(1)
		k.proxy.Bypass = string(e.Kind)
		return false
	}
	return true
}

// query is the session as exemptions are looked up by.
func (k *session) query() bypass.Query {
	return bypass.Query{
		Name: k.serverName(), Server: k.serverAddr(), Client: k.info.Key.Client.Addr(),
		User: k.info.User, Revision: k.decision.Revision,
	}
}

// serverName is what the client calls the server, "" where it does not.
func (k *session) serverName() string {
	o := k.flow.Observation()
	if o.TLS != nil && o.TLS.SNI != "" {
		return o.TLS.SNI
	}
	if o.Connect != nil {
		if _, err := netip.ParseAddr(o.Connect.Host); err != nil {
			return o.Connect.Host
		}
	}
	return ""
}

// serverAddr is the server's address: through an upstream proxy it may be unknown.
func (k *session) serverAddr() netip.AddrPort {
	if c := k.flow.Observation().Connect; c != nil {
		return netip.AddrPortFrom(k.info.Resolved, c.Port)
	}
	if k.proxy.Mode == event.ModeExplicit {
		return netip.AddrPort{} // that is the proxy's
	}
	return k.info.Key.Server
}

// probe asks the server whether it speaks SSTP, beside the connection.
func (k *session) probe() {
	if k.srv.config.Probe == nil {
		k.srv.log.warn("probe", "the policy wants a server asked, and probing is not set up", "client", k.info.Key.Client, "rule", k.decision.Rule)
		return
	}
	target := probe.Target{Name: k.serverName(), Addr: k.serverAddr()}
	if !target.Addr.Addr().IsValid() {
		return // only the upstream proxy knows where it goes
	}
	k.srv.running.Go(func() {
		ctx, cancel := context.WithTimeout(k.srv.stopping, k.srv.config.Timeouts.Dial+k.srv.config.Timeouts.Handshake)
		defer cancel()
		if e, ok := k.srv.config.Probe.Ask(ctx, target); ok {
			k.learn(e)
		}
	})
}
