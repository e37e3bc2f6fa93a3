package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// oursConfig is as shipped but for what the measurement needs: a peer on the
// loopback may be reached, and one client may have all the connections.
//
// It runs as a user of its own if it can, as it does where it is installed: the
// kernel grants memory for pipes by user, and the bare splice takes much.
const oursConfig = `
user: %[4]q
admin:
  listen: %[1]q
  pprof: %[2]t
proxy:
  listen: [%[3]q]
  destinations:
    allow: [127.0.0.0/8]
  limits:
    connections: 65536
    per_client: 65536
`

// oursOpening follows it where TLS is to be opened.
const oursOpening = `
  intercept:
    ca: %[1]q
    roots: %[2]q
policy:
  dir: %[3]q
`

// openingPolicy opens whatever is not SSTP.
const openingPolicy = `package sstp

# METADATA
# description: Opens whatever is not SSTP.
# entrypoint: true
decision := {"action": "drop", "rule": "bench.sstp", "reason": "SSTP."} if tunnel

decision := {"action": "allow", "rule": "bench.open", "reason": "Not SSTP.", "intercept": true} if not tunnel

tunnel if input.detection.verdict in {"suspected", "confirmed"}
`

// beginOurs starts what is measured. Its profiles can be had where they are
// wanted.
func beginOurs(ctx context.Context, a *arena, e *entrant) (*child, error) {
	var err error
	if e.way.proxy, err = freeAddress(); err != nil {
		return nil, err
	}
	if a.profiles != "" {
		if e.admin, err = freeAddress(); err != nil {
			return nil, err
		}
	}
	user := ""
	if os.Geteuid() == 0 {
		user = "nobody"
	}
	config := fmt.Sprintf(oursConfig, e.admin, e.admin != "", e.way.proxy, user)
	if e.opens {
		authority, policy, err := a.oursOpens(ctx)
		if err != nil {
			return nil, err
		}
		config += fmt.Sprintf(oursOpening, authority, a.issuer.certFile, policy)
	}
	path, err := a.write("sstpwarden.yaml", config)
	if err != nil {
		return nil, err
	}
	return startChild(ctx, []string{e.way.proxy}, a.ours, "proxy", "--config", path)
}

// oursOpens makes an authority and a policy that has TLS opened.
func (a *arena) oursOpens(ctx context.Context) (authority, policy string, err error) {
	authority, policy = filepath.Join(a.dir, "ca"), filepath.Join(a.dir, "policy")
	if out, err := exec.CommandContext(ctx, a.ours, "ca", "init", "--dir", authority).CombinedOutput(); err != nil {
		return "", "", fmt.Errorf("running sstpwarden ca init: %w: %s", err, strings.TrimSpace(string(out)))
	}
	if err := os.Mkdir(policy, 0o755); err != nil {
		return "", "", err
	}
	return authority, policy, os.WriteFile(filepath.Join(policy, "open.rego"), []byte(openingPolicy), 0o644)
}
