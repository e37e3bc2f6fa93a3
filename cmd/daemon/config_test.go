package daemon

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"sstpwarden/policies"
	"sstpwarden/proxy/access"
)

var sameConfig = cmp.Options{cmpopts.EquateEmpty(), cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })}

func TestExampleIsTheDefault(t *testing.T) {
	c, err := Parse("example", []byte(Example()))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Default(), *c, sameConfig); diff != "" {
		t.Error(diff)
	}
	if err := c.Check(); err != nil {
		t.Error(err)
	}
}

// TestExampleHasEveryKey reads the example with another default under it.
func TestExampleHasEveryKey(t *testing.T) {
	c := Default()
	r := reader{problems{lines: map[string]position{}}}
	r.value(r.document([]byte(Example())), reflect.ValueOf(&c).Elem(), "")
	var each func(typ reflect.Type, key string)
	each = func(typ reflect.Type, key string) {
		for i, name := range keys(typ) {
			path := under(key, name)
			if r.lines[path] == (position{}) {
				t.Errorf("%s is missing", path)
			}
			if f := typ.Field(i).Type; f.Kind() == reflect.Struct && !isLeaf(f) {
				each(f, path)
			}
		}
	}
	each(reflect.TypeFor[Config](), "")
	before := ""
	for line := range strings.Lines(Example()) {
		line = strings.TrimSpace(line)
		told := strings.HasPrefix(before, "#") || strings.HasSuffix(line, ":") || strings.HasPrefix(line, "#") || line == ""
		plain := []string{"sstp:", "rest:", "connections:", "per_client:", "entries:", "lifetime:", "enabled:"} // the line above tells
		if !told && !hasPrefix(line, plain) {
			t.Errorf("nothing says what %q means", line)
		}
		before = line
	}
}

func hasPrefix(s string, prefixes []string) bool {
	for _, p := range prefixes {
		if strings.HasPrefix(s, p) {
			return true
		}
	}
	return false
}

func TestParse(t *testing.T) {
	const text = `
policy: {dir: /etc/p, data: [a.yaml, b.json], timeout: 500ms, on_error: {rest: drop}}
dry_run: true
events:
  dest: ["-", "syslog:///dev/log"]
  queue: 64KiB
log: &log
  level: debug
proxy:
  listen: [":3128", "[::1]:0"]
  transparent:
    listen: ["192.0.2.1:3129"]
    mode: tproxy
    scope: {interfaces: [lan0], networks: [private, 2001:db8::/32], ports: [443, 8000-9000]}
  clients: [0.0.0.0/0, "::/0"]
  destinations: {ports: ["443"], allow: [127.0.0.1]}
  upstream: http://u:secret@proxy.example:3128
  probe: {rate: 0.5}
  intercept:
    bypass: {names: [.example.org, "*.example.net"], users: [alice]}
    tunnel_lifetime: 1h30m
`
	want := Default()
	want.Policy.Dir, want.Policy.Data, want.Policy.Timeout = "/etc/p", []string{"a.yaml", "b.json"}, 500*time.Millisecond
	want.Policy.OnError.Rest = policies.ActionDrop
	want.DryRun = true
	want.Events.Dest, want.Events.Queue = []string{"-", "syslog:///dev/log"}, 64<<10
	want.Log.Level = "debug"
	p := &want.Proxy
	p.Listen = []string{":3128", "[::1]:0"}
	p.Transparent.Listen, p.Transparent.Mode = []string{"192.0.2.1:3129"}, ModeTPROXY
	p.Transparent.Scope.Interfaces = []string{"lan0"}
	p.Transparent.Scope.Networks = append(access.Networks{}, access.Private...)
	p.Transparent.Scope.Networks = append(p.Transparent.Scope.Networks, netip.MustParsePrefix("2001:db8::/32"))
	p.Transparent.Scope.Ports = []PortRange{{First: 443, Last: 443}, {First: 8000, Last: 9000}}
	p.Clients = []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}
	p.Destinations.Ports = []PortRange{{First: 443, Last: 443}}
	p.Destinations.Allow = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
	p.Upstream = "http://u:secret@proxy.example:3128"
	p.Probe.Rate = 0.5
	p.Intercept.Bypass.Names = []string{".example.org", "*.example.net"}
	p.Intercept.Bypass.Users = []string{"alice"}
	p.Intercept.TunnelLifetime = 90 * time.Minute
	c, err := Parse("x", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, *c, sameConfig); diff != "" {
		t.Error(diff)
	}
}

func TestParseNothing(t *testing.T) {
	for _, text := range []string{"", "# nothing\n", "---\n", "proxy:\n", "null", "proxy:\n  timeouts:\n  limits:\n"} {
		c, err := Parse("x", []byte(text))
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if diff := cmp.Diff(Default(), *c, sameConfig); diff != "" {
			t.Errorf("%q: %s", text, diff)
		}
	}
}

// TestParseErrors wants each mistake told with its place and what to do.
func TestParseErrors(t *testing.T) {
	tests := []struct{ text, want string }{
		{"proxi: {}", "x:1:1: proxi: is not known; did you mean proxy?"},
		{"proxy:\n  liste: []", "x:2:3: proxy.liste: is not known; did you mean listen?"},
		{"proxy:\n  colour: red", "x:2:3: proxy.colour: is not known; use listen, transparent, clients,"},
		{"\"a b\": 1", "x:1:1: \"a b\": is not known"},
		{"nfqs: {}", "x:1:1: nfqs: is not known; did you mean nfq?"},
		{"<<: {dry_run: true}", "x:1:1: <<: is not known"},
		{"[]", "x:1:1: is a list; write keys below it"},
		{"word", "x:1:1: is a word; write keys below it"},
		{"? [a]\n: b", "x:1:3: has a key that is a list; write a word"},
		{"log: info", "x:1:6: log: is a word; write keys below it: level and format"},
		{"dry_run: yes", `x:1:10: dry_run: "yes" does not do; write true or false`},
		{"dry_run:", "x:1:9: dry_run: has no value; write true or false, or take the key out"},
		{"dry_run: [true]", "x:1:1: dry_run: is a list; write true or false"},
		{"rules: 5", `x:1:8: rules: "5" does not do; write a text: in quotes, if you mean "5"`},
		{"dry_run: true\n\ndry_run: false", "x:3:1: dry_run: is there twice, first in line 1"},
		{"policy:\n  timeout: 1", `x:2:12: policy.timeout: "1" does not do; a time needs a unit: 1s, 1m or 1h`},
		{"policy:\n  timeout: soon", "x:2:12: policy.timeout: \"soon\" does not do; a time is a number with a unit"},
		{"policy:\n  timeout: 0s", "x:2:12: policy.timeout: 0s does not do; write a time above zero"},
		{"policy:\n  on_error:\n    sstp: allow", "x:3:11: policy.on_error.sstp: an error is never a silent allow; use log"},
		{"policy:\n  on_timeout:\n    rest: dorp", `x:3:11: policy.on_timeout.rest: "dorp" is not known; did you mean drop?`},
		{"policy: {data: d.yaml}", `x:1:16: policy.data: "d.yaml" is no list; write it as one: [d.yaml]`},
		{"policy: {data: {}}", "x:1:10: policy.data: is an object; write a list"},
		{"policy:\n  data:", "x:2:8: policy.data: has no value; write a list, [] for an empty one"},
		{"policy: {data: [a, '', a]}", "x:1:20: policy.data[1]: is empty"},
		{"policy: {data: [a, '', a]}", `x:1:24: policy.data[2]: "a" is there twice`},
		{"events: {when_full: block}", `x:1:21: events.when_full: "block" is not known; use lose or wait`},
		{"events: {queue: 1KB}", `x:1:17: events.queue: "1KB" does not do; a size is a number with a unit`},
		{"events: {queue: 1KiB}", "x:1:17: events.queue: 1KiB does not do; write a size from 64KiB to 16GiB"},
		{"events: {queue: 9999999999GiB}", "x:1:17: events.queue: \"9999999999GiB\" does not do"},
		{"events: {mask: [user]}", `x:1:17: events.mask[0]: "user" is not known; did you mean users?`},
		{"events: {dest: ['-']}\ndecision_log: {dest: '-'}", `x:2:22: decision_log.dest: "-" is where events go`},
		{"decision_log: {mask: [x]}", `x:1:23: decision_log.mask[0]: "x" is not known; use users or addresses`},
		{"log: {format: xml}", `x:1:15: log.format: "xml" is not known; use text or json`},
		{"admin: {listen: ':9180'}", "x:1:17: admin.listen: \":9180\" does not do; it is no address with a port"},
		{"admin: {listen: '192.0.2.1:9180'}", "it can be reached from other machines"},
		{"admin: {listen: 'localhost:9180'}", "use a loopback address, 127.0.0.1:9180"},
		{"admin: {listen: 'unix:'}", "it names no file"},
		{"admin: {listen: 'unix:/" + strings.Repeat("x", 110) + "'}", "a socket's name has at most 103 characters"},
		{"user: 'a:b'", `x:1:7: user: "a:b" is no name of a user`},
		{"memory: {servers: 0}", "x:1:19: memory.servers: 0 does not do; write a number from 1 to 4194304"},
		{"memory: {servers: 1.5}", `x:1:19: memory.servers: "1.5" does not do; write a whole number`},
		{"proxy: {listen: ['3128']}", `x:1:18: proxy.listen[0]: "3128" has no colon; write :3128`},
		{"proxy: {listen: ['a']}", `x:1:18: proxy.listen[0]: "a" is no address with a port`},
		{"proxy: {listen: ['127.0.0.1:http']}", `the port of "127.0.0.1:http" does not do`},
		{"proxy: {listen: ['proxy.example:80']}", `the host of "proxy.example:80" is no address of this machine`},
		{"proxy: {listen: [':1'], transparent: {listen: [':1']}}", `x:1:48: proxy.transparent.listen[0]: ":1" is in proxy.listen too`},
		{"proxy: {transparent: {mode: tprox}}", `x:1:29: proxy.transparent.mode: "tprox" is not known; did you mean tproxy?`},
		{"proxy: {transparent: {scope: {interfaces: [an-interface-too-long]}}}", "is no name of an interface"},
		{"proxy: {transparent: {scope: {ports: [0]}}}", `x:1:39: proxy.transparent.scope.ports[0]: "0" does not do; write one such as 443`},
		{"proxy: {transparent: {scope: {ports: [[1]]}}}", "proxy.transparent.scope.ports[0]: is a list; write a port"},
		{"proxy: {clients: []}", "x:1:9: proxy.clients: nobody could connect"},
		{"proxy: {clients: [10.1.2.3/8]}", "x:1:19: proxy.clients[0]: 10.1.2.3/8 has bits set beyond its prefix: write 10.0.0.0/8"},
		{"proxy: {clients: [10]}", "x:1:19: proxy.clients[0]: \"10\" does not do; write a text"},
		{"proxy: {auth: {realm: 'a\"b'}}", "x:1:23: proxy.auth.realm:"},
		{"proxy: {upstream: 'socks://p:1'}", "x:1:19: proxy.upstream: it is no URL of an HTTP proxy"},
		{"proxy: {upstream: 'http://p:0'}", "x:1:19: proxy.upstream: its port does not do; write a number from 1 to 65535"},
		{"proxy: {upstream: 'http://p:65536'}", "x:1:19: proxy.upstream: its port does not do"},
		{"proxy: {upstream: 'http://p:1/x'}", "x:1:19: proxy.upstream: a proxy has no path"},
		{"proxy: {limits: {connections: -1}}", "x:1:31: proxy.limits.connections: -1 does not do"},
		{"proxy: {probe: {rate: .nan}}", "x:1:23: proxy.probe.rate: \".nan\" does not do; write a number"},
		{"proxy: {probe: {rate: 0}}", "x:1:23: proxy.probe.rate: 0 does not do"},
		{"proxy: {intercept: {bypass: {names: ['a b']}}}", "x:1:38: proxy.intercept.bypass.names[0]: \"a b\" is no name of a server"},
		{"a: b: c", "x: is no YAML: mapping values are not allowed in this context"},
		{"log:\n\tlevel: x", "x:2: is no YAML: found character that cannot start any token"},
		{"dry_run: true\n---\ndry_run: false", "x:2:1: a second document begins; write one document a file"},
		{"dry_run: true\n--- [", "x:2: is no YAML:"},
	}
	for _, tt := range tests {
		_, err := Parse("x", []byte(tt.text))
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q: got\n\t%v\nwant\n\t%s", tt.text, err, tt.want)
		}
	}
}

func TestParseTellsAllInOrder(t *testing.T) {
	_, err := Parse("x", []byte("b: 1\nlog: {level: x}\na: 1\nmemory: {servers: 0}\n"))
	var lines []int
	for _, e := range err.(ConfigErrors) { //nolint:errorlint // the type is what is promised
		lines = append(lines, e.Line)
	}
	if diff := cmp.Diff([]int{1, 2, 3, 4}, lines); diff != "" {
		t.Errorf("%s\n%v", diff, err)
	}
	one, ok := errors.AsType[*ConfigError](err)
	if !ok || one.Key != "b" || one.File != "x" {
		t.Errorf("the first is %+v", one)
	}
	many := strings.Builder{}
	for i := range 10 * maxErrors {
		fmt.Fprintf(&many, "k%d: 1\n", i)
	}
	_, err = Parse("x", []byte(many.String()))
	if n := strings.Count(err.Error(), "\n"); n != maxErrors || !strings.HasSuffix(err.Error(), "and maybe more") {
		t.Errorf("%d lines: %.200s", n, err)
	}
}

func TestParseKeepsSecrets(t *testing.T) {
	_, err := Parse("x", []byte("proxy: {upstream: 'ftp://u:secret@h'}"))
	if err == nil || strings.Contains(err.Error(), "secret") {
		t.Error(err)
	}
}

// What lacks something else is told once flags could give it.
func TestNeeds(t *testing.T) {
	for _, test := range []struct {
		text, want string
		flag       func(c *Config)
	}{
		{"policy: {key: k.pem}", "policy.key: there is nothing that it could have signed; ", func(c *Config) { c.Policy.Dir = "b.tar.gz" }},
		{"admin: {pprof: true}", "admin.pprof: there is no admin listener; ", func(c *Config) { c.Admin.Listen = "127.0.0.1:0" }},
		{"proxy: {transparent: {setup: true}}", "proxy.transparent.setup: there is nowhere to send connections to; ", func(c *Config) { c.Proxy.Transparent.Listen = []string{":1"} }},
		{"proxy: {intercept: {roots: r.pem}}", "proxy.intercept.roots: nothing is opened without an authority; ", func(c *Config) { c.Proxy.Intercept.CA = "ca" }},
	} {
		c, err := Parse("x", []byte(test.text))
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Check(); err == nil || !strings.HasPrefix(err.Error(), test.want) {
			t.Errorf("%q: %v", test.text, err)
		}
		test.flag(c)
		if err := c.Check(); err != nil {
			t.Errorf("%q with the flag: %v", test.text, err)
		}
	}
}

func TestCheckOfFlags(t *testing.T) {
	for _, test := range []struct {
		set  func(c *Config)
		want string
	}{
		{func(c *Config) { c.Proxy.Transparent.Mode = "bridge" }, `proxy.transparent.mode: "bridge" is not known; use redirect or tproxy`},
		{func(c *Config) { c.Events.Dest = []string{""} }, "events.dest[0]: is empty; write a destination, or take it out"},
	} {
		c := Default()
		test.set(&c)
		if err := c.Check(); err == nil || err.Error() != test.want {
			t.Errorf("%v, want %s", err, test.want)
		}
	}
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "c.yaml")
	text := `
policy: {dir: p, data: [d.yaml, /abs.yaml]}
rules: r.yaml
events: {dest: [e.json, "-", "syslog:///dev/log"]}
decision_log: {dest: sub/d.json}
admin: {listen: "unix:a.sock"}
proxy: {auth: {file: users}}
`
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Chdir(filepath.Dir(dir))
	c, err := Load(filepath.Join(filepath.Base(dir), "c.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	in := func(name string) string { return filepath.Join(dir, name) }
	got := []string{c.Policy.Dir, c.Policy.Data[0], c.Policy.Data[1], c.Rules, c.Events.Dest[0], c.Events.Dest[1], c.Events.Dest[2], c.DecisionLog.Dest, c.Admin.Listen, c.Proxy.Auth.File, c.RedactKey}
	want := []string{in("p"), in("d.yaml"), "/abs.yaml", in("r.yaml"), in("e.json"), "-", "syslog:///dev/log", in("sub/d.json"), "unix:" + in("a.sock"), in("users"), ""}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}

	if _, err := Load(in("none")); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	if err := os.Truncate(path, maxConfig+1); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(path); err == nil || !strings.Contains(err.Error(), "is it one?") {
		t.Error(err)
	}
}

func TestChanged(t *testing.T) {
	a, b := Default(), Default()
	if got := Changed(&a, &b); got != nil {
		t.Error(got)
	}
	b.DryRun = true
	b.Proxy.Clients = nil
	b.Proxy.Listen = []string{}
	b.Proxy.Intercept.Cache.Entries++
	if diff := cmp.Diff([]string{"dry_run", "proxy.clients", "proxy.intercept.cache.entries"}, Changed(&a, &b)); diff != "" {
		t.Error(diff)
	}
}

func TestSize(t *testing.T) {
	for text, want := range map[string]Size{"0": 0, "512": 512, "64KiB": 64 << 10, "32MiB": 32 << 20, "1GiB": 1 << 30, "1 MiB": 1 << 20} {
		var s Size
		if err := s.Set(text); err != nil || s != want {
			t.Errorf("%s: %d, %v", text, s, err)
		}
		if again, err := ParseSize(s.String()); err != nil || again != s {
			t.Errorf("%s: printed %s: %v", text, s, err)
		}
	}
	for _, text := range []string{"", "KiB", "-1", "1.5KiB", "1kb", "9999999999GiB", "99999999999999999999"} {
		if s, err := ParseSize(text); err == nil {
			t.Errorf("%q: %v", text, s)
		}
	}
	if s := new(Size); s.Type() != "size" {
		t.Error(s.Type())
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(Example()))
	f.Add([]byte("proxy: {listen: [':1', &a ':2', *a]}\n"))
	f.Add([]byte("a: &a [*a]\nlog: *a\n"))
	f.Add([]byte("? {a: b}\n: [c]\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := Parse("x", text)
		switch {
		case err == nil:
			if err := c.Check(); err != nil {
				t.Errorf("parsed, and not good: %v", err)
			}
		case c != nil || len(err.(ConfigErrors)) == 0 || len(err.(ConfigErrors)) > maxErrors: //nolint:errorlint // the type is what is promised
			t.Errorf("%v with %v", c, err)
		default:
			_ = err.Error()
		}
	})
}
