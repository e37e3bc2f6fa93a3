package daemon

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"sstpwarden/nfq/nft"
	"sstpwarden/policies"
	"sstpwarden/proxy/bypass"
)

// Check says what is wrong with c once flags have been put over it. The error is a
// [ConfigErrors] without lines. It opens no file.
func (c *Config) Check() error {
	p := &problems{}
	check := checker{problems: p}
	check.config(c)
	check.needs(c)
	return p.err()
}

// A checker looks for values that make no sense.
type checker struct {
	*problems
	skip map[string]bool // keys of which something was told already
}

func (k *checker) wrong(key, problem, remedy string) {
	if !k.skip[key] {
		k.problems.wrong(key, problem, remedy)
	}
}

func (k *checker) config(c *Config) {
	k.policy(&c.Policy)
	k.records(c)
	k.oneOf("log.level", c.Log.Level, "debug", "info", "warn", "error")
	k.oneOf("log.format", c.Log.Format, "text", "json")
	k.admin(&c.Admin)
	if c.User != strings.TrimSpace(c.User) || strings.ContainsAny(c.User, ":\n") {
		k.wrong("user", shown(c.User)+" is no name of a user", "")
	}
	k.positive("stop_timeout", c.StopTimeout)
	k.within("memory.servers", c.Memory.Servers, 1<<22)
	k.within("memory.per_server", c.Memory.PerServer, 1<<10)
	k.proxy(&c.Proxy)
	k.nfq(&c.NFQ)
}

// needs looks for what makes no sense without something else, which a flag may give
// where the file does not.
func (k *checker) needs(c *Config) {
	if c.Policy.Key != "" && c.Policy.Dir == "" {
		k.wrong("policy.key", "there is nothing that it could have signed", "name a bundle in policy.dir, or leave the key out")
	}
	if c.Admin.Pprof && c.Admin.Listen == "" {
		k.wrong("admin.pprof", "there is no admin listener", "set admin.listen, or leave it out")
	}
	if t := &c.Proxy.Transparent; t.Setup && len(t.Listen) == 0 {
		k.wrong("proxy.transparent.setup", "there is nowhere to send connections to", "set proxy.transparent.listen too")
	}
	if i := &c.Proxy.Intercept; i.Roots != "" && i.CA == "" {
		k.wrong("proxy.intercept.roots", "nothing is opened without an authority", "set proxy.intercept.ca too")
	}
}

func (k *checker) oneOf(key, value string, words ...string) {
	if !slices.Contains(words, value) {
		k.wrong(key, shown(value)+" is not known", allowed(value, words))
	}
}

func (k *checker) positive(key string, d time.Duration) {
	if d <= 0 {
		k.wrong(key, d.String()+" does not do", "write a time above zero: nothing here waits for ever")
	}
}

func (k *checker) within(key string, n, most int) {
	if n < 1 || n > most {
		k.wrong(key, fmt.Sprintf("%d does not do", n), fmt.Sprintf("write a number from 1 to %d", most))
	}
}

// words tells of what is none of the words, and of what a list has twice.
func (k *checker) words(key string, list []string, words ...string) {
	for i, word := range list {
		at := fmt.Sprintf("%s[%d]", key, i)
		k.oneOf(at, word, words...)
		if slices.Contains(list[:i], word) {
			k.wrong(at, shown(word)+" is there twice", "take one of them out")
		}
	}
}

func (k *checker) size(key string, s, least, most Size) {
	if s < least || s > most {
		k.wrong(key, s.String()+" does not do", fmt.Sprintf("write a size from %v to %v", least, most))
	}
}

func (k *checker) rate(key string, r float64) {
	if r <= 0 || r > 1000 {
		k.wrong(key, fmt.Sprintf("%g does not do", r), "write probes a second, above 0 and at most 1000")
	}
}

// unique tells of what a list has twice, and of empty texts.
func (k *checker) unique(key string, list []string, what string) {
	for i, text := range list {
		at := fmt.Sprintf("%s[%d]", key, i)
		switch {
		case strings.TrimSpace(text) == "":
			k.wrong(at, "is empty", "write "+what+", or take it out")
		case slices.Contains(list[:i], text):
			k.wrong(at, shown(text)+" is there twice", "take one of them out")
		}
	}
}

func (k *checker) policy(c *Policy) {
	k.positive("policy.timeout", c.Timeout)
	k.standIn("policy.on_error", c.OnError)
	k.standIn("policy.on_timeout", c.OnTimeout)
	k.unique("policy.data", c.Data, "the name of a file")
	k.unique("policy.dry_run_rules", c.DryRunRules, "the name of a rule, such as sstp.suspected")
}

func (k *checker) standIn(key string, s StandIn) {
	k.instead(under(key, "sstp"), s.SSTP)
	k.instead(under(key, "rest"), s.Rest)
}

func (k *checker) instead(key string, a policies.Action) {
	if a == policies.ActionAllow {
		k.wrong(key, "an error is never a silent allow", "use log")
		return
	}
	k.oneOf(key, string(a), string(policies.ActionDrop), string(policies.ActionLog))
}

func (k *checker) records(c *Config) {
	k.oneOf("events.when_full", c.Events.WhenFull, WhenFullLose, WhenFullWait)
	k.unique("events.dest", c.Events.Dest, "a destination")
	k.size("events.queue", c.Events.Queue, 64<<10, 16<<30)
	k.words("events.mask", c.Events.Mask, MaskUsers, MaskAddresses)
	k.words("decision_log.mask", c.DecisionLog.Mask, MaskUsers, MaskAddresses)
	if c.DecisionLog.Dest != "" && slices.Contains(c.Events.Dest, c.DecisionLog.Dest) {
		k.wrong("decision_log.dest", shown(c.DecisionLog.Dest)+" is where events go", "give decisions a destination of their own")
	}
}

func (k *checker) admin(c *Admin) {
	if c.Listen == "" {
		return
	}
	if _, err := parseAdmin(c.Listen); err != nil {
		k.wrong("admin.listen", shown(c.Listen)+" does not do", err.Error())
	}
}

// maxSocketPath is what a socket's address holds, less the ending that the
// socket has while it is made.
const maxSocketPath = 107 - len(newSocket)

// parseAdmin reads the address of the admin listener. Whoever reaches it learns
// who talks to whom, so that it is for this machine alone.
func parseAdmin(listen string) (net.Addr, error) {
	const forms = "use a loopback address, 127.0.0.1:9180 or [::1]:9180, or a socket, unix:/run/sstpwarden/admin.sock"
	if path, ok := strings.CutPrefix(listen, unixPrefix); ok {
		switch {
		case path == "" || filepath.Base(path) == "/":
			return nil, fmt.Errorf("it names no file: %s", forms)
		case len(path) > maxSocketPath:
			return nil, fmt.Errorf("a socket's name has at most %d characters: choose a shorter one", maxSocketPath)
		}
		return &net.UnixAddr{Name: path, Net: "unix"}, nil
	}
	at, err := netip.ParseAddrPort(listen)
	switch {
	case err != nil:
		return nil, fmt.Errorf("it is no address with a port: %s", forms)
	case !at.Addr().Unmap().IsLoopback():
		return nil, fmt.Errorf("it can be reached from other machines, and tells who talks to whom: %s; for others put a proxy with authentication before it", forms)
	}
	return net.TCPAddrFromAddrPort(at), nil
}

// address tells of what cannot be listened on.
func (k *checker) address(key, text string) {
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		if isDigits(text) {
			k.wrong(key, shown(text)+" has no colon", "write :"+text)
			return
		}
		k.wrong(key, shown(text)+" is no address with a port", "write HOST:PORT, :PORT for all addresses of this machine, or [2001:db8::1]:PORT")
		return
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		k.wrong(key, "the port of "+shown(text)+" does not do", "write a number from 0 to 65535; 0 is any that is free")
	}
	if _, err := netip.ParseAddr(host); err != nil && host != "" && host != "localhost" {
		k.wrong(key, "the host of "+shown(text)+" is no address of this machine", "write an IP address, or none for all")
	}
}

func (k *checker) proxy(c *Proxy) {
	all := slices.Concat(c.Listen, c.Transparent.Listen)
	k.unique("proxy.listen", c.Listen, "an address")
	k.unique("proxy.transparent.listen", c.Transparent.Listen, "an address")
	for i, text := range all {
		key := fmt.Sprintf("proxy.listen[%d]", i)
		if n := len(c.Listen); i >= n {
			key = fmt.Sprintf("proxy.transparent.listen[%d]", i-n)
			if slices.Contains(c.Listen, text) {
				k.wrong(key, shown(text)+" is in proxy.listen too", "give the transparent proxy a port of its own")
			}
		}
		if strings.TrimSpace(text) != "" {
			k.address(key, text)
		}
	}
	k.transparent(&c.Transparent)
	if len(c.Clients) == 0 {
		k.wrong("proxy.clients", "nobody could connect", "list networks, or leave it out for the private ones")
	}
	if r := c.Auth.Realm; r == "" || len(r) > 128 || strings.ContainsFunc(r, func(r rune) bool { return r < ' ' || r > '~' || r == '"' || r == '\\' }) {
		k.wrong("proxy.auth.realm", shown(r)+" does not do", "write 1 to 128 ASCII characters without quotes")
	}
	k.upstream(c.Upstream)
	k.within("proxy.limits.connections", c.Limits.Connections, 1<<22)
	k.within("proxy.limits.per_client", c.Limits.PerClient, 1<<22)
	t := &c.Timeouts
	k.positive("proxy.timeouts.head", t.Head)
	k.positive("proxy.timeouts.keep", t.Keep)
	k.positive("proxy.timeouts.hello", t.Hello)
	k.positive("proxy.timeouts.dial", t.Dial)
	k.positive("proxy.timeouts.handshake", t.Handshake)
	k.positive("proxy.timeouts.idle", t.Idle)
	k.positive("proxy.timeouts.stall", t.Stall)
	k.rate("proxy.probe.rate", c.Probe.Rate)
	k.intercept(&c.Intercept)
}

func (k *checker) transparent(c *Transparent) {
	k.oneOf("proxy.transparent.mode", c.Mode, ModeRedirect, ModeTPROXY)
	k.oneOf("proxy.transparent.fail", c.Fail, FailOpen, FailClosed)
	k.interfaces("proxy.transparent.scope.interfaces", c.Scope.Interfaces)
}

func (k *checker) interfaces(key string, names []string) {
	k.unique(key, names, "an interface")
	for i, name := range names {
		scope := nft.Scope{Interfaces: []string{name}}
		if strings.TrimSpace(name) != "" && scope.Validate() != nil {
			k.wrong(fmt.Sprintf("%s[%d]", key, i), shown(name)+" is no name of an interface", "ip link lists them")
		}
	}
}

func (k *checker) upstream(text string) {
	if text == "" {
		return
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Scheme != "http" || u.Hostname() == "":
		k.wrong("proxy.upstream", "it is no URL of an HTTP proxy", "write http://HOST:PORT or http://USER:PASSWORD@HOST:PORT")
	case u.Port() != "" && !isPort(u.Port()):
		k.wrong("proxy.upstream", "its port does not do", "write a number from 1 to 65535")
	case u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "":
		k.wrong("proxy.upstream", "a proxy has no path", "write http://HOST:PORT")
	}
}

func isPort(text string) bool {
	n, err := strconv.ParseUint(text, 10, 16)
	return err == nil && n > 0
}

func (k *checker) intercept(c *Intercept) {
	k.oneOf("proxy.intercept.fail", c.Fail, FailOpen, FailClosed)
	k.unique("proxy.intercept.bypass.names", c.Bypass.Names, "the name of a server")
	for i, name := range c.Bypass.Names {
		if _, err := bypass.ParseName(name); err != nil && strings.TrimSpace(name) != "" {
			k.wrong(fmt.Sprintf("proxy.intercept.bypass.names[%d]", i), err.Error(), "")
		}
	}
	k.unique("proxy.intercept.bypass.users", c.Bypass.Users, "a user")
	k.within("proxy.intercept.cache.entries", c.Cache.Entries, 1<<20)
	k.positive("proxy.intercept.cache.lifetime", c.Cache.Lifetime)
	k.positive("proxy.intercept.rejected_lifetime", c.RejectedLifetime)
	k.positive("proxy.intercept.tunnel_lifetime", c.TunnelLifetime)
}
