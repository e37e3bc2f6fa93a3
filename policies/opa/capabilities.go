package opa

import (
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
)

// withheld are built-in functions that OPA itself counts as deterministic but
// that depend on the machine's clock, or on what else runs in the process.
var withheld = []string{
	"crypto.x509.parse_and_verify_certificates",              // valid now?
	"crypto.x509.parse_and_verify_certificates_with_options", // the same, without a given time
	"trace",
}

// capabilities are what policies may use: all of this OPA without what it marks
// as not deterministic (network, environment, clock, random numbers), without
// withheld, and without fetching schemas over the network.
func capabilities() *ast.Capabilities {
	c := ast.CapabilitiesForThisVersion()
	c.Builtins = slices.DeleteFunc(c.Builtins, func(b *ast.Builtin) bool {
		return b.Nondeterministic || slices.Contains(withheld, b.Name)
	})
	c.AllowNet = []string{} // nil would stand for any host
	return c
}
