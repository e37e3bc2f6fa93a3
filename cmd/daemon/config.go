package daemon

import (
	"net/netip"
	"slices"
	"time"

	"sstpwarden/policies"
	"sstpwarden/proxy/access"
)

// A Config is what one file of configuration says. [Default] gives the values
// that stand for what a file leaves out; the file that [Example] writes tells
// what each means.
//
// Names of files are as written; [Load] makes those absolute that are relative
// to the file's folder.
type Config struct {
	Policy      Policy        `yaml:"policy"`
	Rules       string        `yaml:"rules" is:"file"` // "" for those built in
	DryRun      bool          `yaml:"dry_run"`
	Events      Events        `yaml:"events"`
	DecisionLog DecisionLog   `yaml:"decision_log"`
	RedactKey   string        `yaml:"redact_key" is:"file"`
	Log         Log           `yaml:"log"`
	Admin       Admin         `yaml:"admin"`
	StateDir    string        `yaml:"state_dir" is:"file"` // "" for systemd's $STATE_DIRECTORY, or none
	User        string        `yaml:"user"`                // "" for whoever starts it
	StopTimeout time.Duration `yaml:"stop_timeout"`
	Memory      Memory        `yaml:"memory"`
	Proxy       Proxy         `yaml:"proxy"`
	NFQ         NFQ           `yaml:"nfq"`
}

// Policy says which policies decide, and what stands in for them.
type Policy struct {
	Dir         string        `yaml:"dir" is:"file"` // or a bundle; "" for those built in
	Key         string        `yaml:"key" is:"file"`
	Data        []string      `yaml:"data" is:"file"`
	Timeout     time.Duration `yaml:"timeout"`
	OnError     StandIn       `yaml:"on_error"`
	OnTimeout   StandIn       `yaml:"on_timeout"`
	DryRunRules []string      `yaml:"dry_run_rules"`
}

// A StandIn is what is done where the policy gives no answer.
type StandIn struct {
	SSTP policies.Action `yaml:"sstp"` // "drop" or "log"
	Rest policies.Action `yaml:"rest"` // "drop" or "log"
}

func (s StandIn) policy() policies.StandIn { return policies.StandIn{SSTP: s.SSTP, Rest: s.Rest} }

// What is done with records that a destination does not take fast enough.
const (
	WhenFullLose = "lose"
	WhenFullWait = "wait"
)

// Events says where events go.
type Events struct {
	Dest     []string `yaml:"dest" is:"dest"`
	WhenFull string   `yaml:"when_full"` // WhenFullLose or WhenFullWait
	Queue    Size     `yaml:"queue"`     // per destination
	Mask     []string `yaml:"mask"`      // MaskUsers, MaskAddresses
}

// What is hashed in events and in the decision log.
const (
	MaskUsers     = "users"
	MaskAddresses = "addresses"
)

// DecisionLog says where decisions go, in OPA's form.
type DecisionLog struct {
	Dest string   `yaml:"dest" is:"dest"`
	All  bool     `yaml:"all"`
	Mask []string `yaml:"mask"`
}

// Log says what is logged to standard error.
type Log struct {
	Level  string `yaml:"level"`  // "debug", "info", "warn", "error"
	Format string `yaml:"format"` // "text", "json"
}

// Admin is the listener of health, metrics and status.
type Admin struct {
	Listen string `yaml:"listen" is:"listen"` // "" for none
	Pprof  bool   `yaml:"pprof"`
}

// Memory bounds what is remembered of weak connections; see inspect.Memory.
type Memory struct {
	Servers   int `yaml:"servers"`
	PerServer int `yaml:"per_server"`
}

// Proxy configures `sstpwarden proxy`.
type Proxy struct {
	Listen       []string       `yaml:"listen"`
	Transparent  Transparent    `yaml:"transparent"`
	Clients      []netip.Prefix `yaml:"clients"`
	Auth         Auth           `yaml:"auth"`
	Destinations Destinations   `yaml:"destinations"`
	Upstream     string         `yaml:"upstream"` // a URL
	Limits       Limits         `yaml:"limits"`
	Timeouts     Timeouts       `yaml:"timeouts"`
	Probe        Probe          `yaml:"probe"`
	Intercept    Intercept      `yaml:"intercept"`
}

// How connections come to the transparent proxy, and what becomes of them
// while it does not run.
const (
	ModeRedirect = "redirect"
	ModeTPROXY   = "tproxy"

	FailOpen   = "open"
	FailClosed = "closed"
)

// Transparent configures the transparent proxy.
type Transparent struct {
	Listen []string `yaml:"listen"`
	Mode   string   `yaml:"mode"` // ModeRedirect or ModeTPROXY
	Scope  Scope    `yaml:"scope"`
	Setup  bool     `yaml:"setup"`
	Fail   string   `yaml:"fail"` // FailOpen or FailClosed
	Local  bool     `yaml:"local"`
}

// A Scope says which connections are taken. What is empty is not asked.
type Scope struct {
	Interfaces []string       `yaml:"interfaces"`
	Networks   []netip.Prefix `yaml:"networks"`
	Ports      []PortRange    `yaml:"ports"`
	Exclude    []netip.Prefix `yaml:"exclude"`
}

// Auth asks clients for a name and a password.
type Auth struct {
	File  string `yaml:"file" is:"file"` // htpasswd; "" for no authentication
	Realm string `yaml:"realm"`
}

// Destinations says where the proxy connects to.
type Destinations struct {
	Ports []PortRange    `yaml:"ports"` // empty for all
	Allow []netip.Prefix `yaml:"allow"`
	Deny  []netip.Prefix `yaml:"deny"`
}

// Limits bound how many connections there are at once.
type Limits struct {
	Connections int `yaml:"connections"`
	PerClient   int `yaml:"per_client"`
}

// Timeouts bound how long each phase of a connection takes.
type Timeouts struct {
	Head      time.Duration `yaml:"head"`
	Keep      time.Duration `yaml:"keep"`
	Hello     time.Duration `yaml:"hello"`
	Dial      time.Duration `yaml:"dial"`
	Handshake time.Duration `yaml:"handshake"`
	Idle      time.Duration `yaml:"idle"`
	Stall     time.Duration `yaml:"stall"`
}

// Probe asks suspected servers, where the policy says so.
type Probe struct {
	Enabled bool           `yaml:"enabled"`
	Rate    float64        `yaml:"rate"` // per second
	Allow   []netip.Prefix `yaml:"allow"`
}

// Intercept opens TLS, where the policy says so.
type Intercept struct {
	CA               string        `yaml:"ca" is:"file"`    // folder; "" for no interception
	Roots            string        `yaml:"roots" is:"file"` // beside the system's
	Fail             string        `yaml:"fail"`            // FailOpen or FailClosed
	Bypass           Bypass        `yaml:"bypass"`
	Cache            Cache         `yaml:"cache"`
	RejectedLifetime time.Duration `yaml:"rejected_lifetime"`
	TunnelLifetime   time.Duration `yaml:"tunnel_lifetime"`
}

// Bypass exempts connections from opening, never from inspection.
type Bypass struct {
	Names     []string       `yaml:"names"`     // of servers, as bypass.ParseName reads them
	Addresses []netip.Prefix `yaml:"addresses"` // of servers
	Networks  []netip.Prefix `yaml:"networks"`  // of clients
	Users     []string       `yaml:"users"`
}

// Cache bounds the certificates that are kept.
type Cache struct {
	Entries  int           `yaml:"entries"`
	Lifetime time.Duration `yaml:"lifetime"`
}

// Default gives the configuration of an empty file.
func Default() Config {
	standIn := StandIn{SSTP: policies.ActionDrop, Rest: policies.ActionLog}
	return Config{
		Policy:      Policy{Timeout: time.Second, OnError: standIn, OnTimeout: standIn},
		Events:      Events{WhenFull: WhenFullLose, Queue: 32 << 20},
		Log:         Log{Level: "info", Format: "text"},
		StopTimeout: 30 * time.Second,
		Memory:      Memory{Servers: 16384, PerServer: 16},
		Proxy: Proxy{
			Transparent: Transparent{Mode: ModeRedirect, Fail: FailOpen},
			Clients:     slices.Clone(access.Private),
			Auth:        Auth{Realm: "sstpwarden"},
			Limits:      Limits{Connections: 16384, PerClient: 1024},
			Timeouts: Timeouts{
				Head:      30 * time.Second,
				Keep:      time.Minute,
				Hello:     5 * time.Second,
				Dial:      10 * time.Second,
				Handshake: 10 * time.Second,
				Idle:      2 * time.Hour,
				Stall:     15 * time.Minute,
			},
			Probe: Probe{Rate: 1},
			Intercept: Intercept{
				Fail:             FailOpen,
				Cache:            Cache{Entries: 4096, Lifetime: time.Hour},
				RejectedLifetime: 24 * time.Hour,
				TunnelLifetime:   24 * time.Hour,
			},
		},
		NFQ: defaultNFQ(),
	}
}
