package matrix

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"

	utls "github.com/refraction-networking/utls"

	"sstpwarden/pcaps/sstpref"
)

// A Scenario is something that runs in TLS and is no SSTP.
type Scenario struct {
	Name  string
	About string

	alpn   []string // what the server takes, nil for nothing
	client func(ctx context.Context, c net.Conn) error
	server func(c net.Conn) error
}

var scenarioFamilies = [][]Scenario{webScenarios, chattyScenarios, pppScenarios}

// Scenarios returns all scenarios.
func Scenarios() []Scenario { return slices.Concat(scenarioFamilies...) }

// ScenarioByName returns the scenario of that name.
func ScenarioByName(name string) (*Scenario, error) {
	for _, family := range scenarioFamilies {
		for i := range family {
			if family[i].Name == name {
				return &family[i], nil
			}
		}
	}
	return nil, fmt.Errorf("no scenario %q: sstplab matrix --transforms lists them", name)
}

// benignClients are programs whose ClientHello a scenario's client says.
var benignClients = map[string]utls.ClientHelloID{
	"chrome":  utls.HelloChrome_Auto,
	"firefox": utls.HelloFirefox_Auto,
	"safari":  utls.HelloSafari_Auto,
	"go":      utls.HelloGolang,
}

// BenignClientNames are the clients of scenarios.
func BenignClientNames() []string { return []string{"chrome", "firefox", "safari", "go"} }

// benignServer is what stands for the server of all scenarios.
const benignServer = "web"

// runBenign runs a scenario's client.
func (n *nearEnd) runBenign(ctx context.Context) Outcome {
	s, err := ScenarioByName(n.cell.Scenario)
	if err != nil {
		return n.tap.outcome(Cut, "tcp", err)
	}
	stage, err := n.scenario(ctx, s)
	n.tap.finish()
	if err == nil {
		return n.tap.outcome(Passed, "", nil)
	}
	result := Cut
	if stage == string(sstpref.StepData) {
		result = Connected
	}
	return n.tap.outcome(result, stage, err)
}

// scenario runs it, and says which stage an error is of.
func (n *nearEnd) scenario(ctx context.Context, s *Scenario) (stage string, err error) {
	c, err := n.dial(ctx, "", "")
	if err != nil {
		return string(sstpref.StepTCP), err
	}
	defer func() { _ = c.Close() }() // all was said
	defer context.AfterFunc(ctx, func() { _ = c.Close() })()
	if n.path.proxy() != "" {
		if err := askProxy(c, n.addr); err != nil {
			return string(sstpref.StepProxy), err
		}
	}
	config := &utls.Config{
		ServerName: otherName, InsecureSkipVerify: true, KeyLogWriter: n.setup.Client.KeyLog, NextProtos: s.alpn,
		MinVersion: n.setup.Client.MinTLS, MaxVersion: n.setup.Client.MaxTLS,
	}
	t, err := browser(ctx, c, benignClients[n.cell.Client], config)
	if err != nil {
		return string(sstpref.StepTLS), err
	}
	var in net.Conn = t
	if around := chain(n.setup.NearInside); around != nil {
		if in, err = around(t); err != nil {
			return string(sstpref.StepData), err
		}
	}
	if err := s.client(ctx, in); err != nil {
		return string(sstpref.StepData), errors.Join(err, context.Cause(ctx))
	}
	n.tap.finish()
	_ = in.Close() // the far end may have gone first
	return "", nil
}
