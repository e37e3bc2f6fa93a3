package daemon

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"sstpwarden/policies/opa"
	"sstpwarden/proxy/access"
	"sstpwarden/proxy/mitm"
)

// A Used is one thing that a configuration makes use of.
type Used struct {
	Key  string // of the configuration
	What string // for people
}

// Try loads what c names, all but the destinations of records, which it would
// make, and says what there is. The error joins all that is wrong.
func (c *Config) Try(ctx context.Context) ([]Used, error) {
	var used []Used
	var errs []error
	note := func(key string, err error, format string, args ...any) {
		if err != nil {
			errs = append(errs, err)
			return
		}
		used = append(used, Used{key, fmt.Sprintf(format, args...)})
	}
	d, err := opa.Load(ctx, c.policySource())
	if err != nil {
		note("policy", err, "")
	} else {
		note("policy", nil, "%s, revision %s", orBuiltIn(c.Policy.Dir), d.Revision())
	}
	rs, err := readRules(c.Rules)
	if err != nil {
		note("rules", err, "")
	} else {
		note("rules", nil, "%s, %d rules, revision %s", orBuiltIn(c.Rules), len(rs.Rules()), rs.Revision())
	}
	if c.RedactKey != "" {
		_, err := pseudonymKey(c.RedactKey)
		note("redact_key", err, "%s", c.RedactKey)
	}
	if c.User != "" {
		_, _, _, err := lookup(c.User)
		note("user", err, "%s", c.User)
	}
	c.Proxy.try(note)
	note("nfq", nil, "%s in %s, fail-%s", c.NFQ.Scope.Table(), strings.Join(c.NFQ.Hooks, ", "), c.NFQ.Fail)
	if len(c.Events.Dest) > 0 {
		note("events", nil, "%s", strings.Join(c.Events.Dest, ", "))
	}
	if c.DecisionLog.Dest != "" {
		note("decision_log", nil, "%s", c.DecisionLog.Dest)
	}
	if c.Admin.Listen != "" {
		note("admin", nil, "%s", c.Admin.Listen)
	}
	return used, errors.Join(errs...)
}

func (c *Proxy) try(note func(key string, err error, format string, args ...any)) {
	if len(c.Listen) > 0 {
		note("proxy.listen", nil, "%s", strings.Join(c.Listen, ", "))
	}
	if t := &c.Transparent; len(t.Listen) > 0 {
		note("proxy.transparent", nil, "%s by %s, fail-%s", strings.Join(t.Listen, ", "), t.Mode, t.Fail)
	}
	if c.Auth.File != "" {
		users, err := access.LoadUsers(c.Auth.File)
		if err != nil {
			note("proxy.auth.file", err, "")
		} else {
			note("proxy.auth.file", nil, "%s, %d users", c.Auth.File, users.Len())
		}
	}
	if c.Intercept.CA != "" {
		_, err := mitm.Load(c.Intercept.CA)
		note("proxy.intercept.ca", err, "%s", c.Intercept.CA)
	}
	if c.Intercept.Roots != "" {
		_, err := mitm.LoadRoots(c.Intercept.Roots)
		note("proxy.intercept.roots", err, "%s", c.Intercept.Roots)
	}
}

func orBuiltIn(path string) string {
	if path == "" {
		return "built in"
	}
	return path
}
