package opa

import (
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// regoErrors collects OPA's errors out of err, which may be joined of several.
func regoErrors(err error) ast.Errors {
	switch e := err.(type) { //nolint:errorlint // it goes through them all
	case ast.Errors:
		return e
	case *ast.Error:
		return ast.Errors{e}
	case interface{ Unwrap() error }:
		return regoErrors(e.Unwrap())
	case interface{ Unwrap() []error }:
		var all ast.Errors
		for _, one := range e.Unwrap() {
			all = append(all, regoErrors(one)...)
		}
		return all
	}
	return nil
}

// remedy says what to do about an error, "" where its words do.
func remedy(e *ast.Error) string {
	has := func(text string) bool { return strings.Contains(e.Message, text) }
	switch {
	case has("undefined function"):
		return functionRemedy(e.Message[strings.LastIndexByte(e.Message, ' ')+1:])
	case has("undefined ref: input"):
		return "the input has no such part: input.schema.json, which \"sstpwarden policy init\" writes, names them all"
	case e.Code == ast.UnsafeVarErr:
		return "give it a value first, with := or \"some ... in\", or write input. or data. in front"
	case has("keyword is required before rule body"), has("keyword is required for partial set rules"):
		return "this is the Rego of before OPA 1.0: \"opa fmt --write --v0-v1\" rewrites it"
	case has("unused"):
		return "remove it, or write _ in its place"
	case has("conflicting rule for data path"):
		return "data lies where the policies have a rule: give the data another name"
	case has("empty module"):
		return "begin with \"package sstp\", or remove the file"
	case e.Code == ast.RecursionErr:
		return "a rule cannot ask itself: break the circle"
	}
	return ""
}

// functionRemedy says why policies have not the function of that name.
func functionRemedy(name string) string {
	if _, known := ast.BuiltinMap[name]; !known {
		return "define it, import its package, or look for its name in OPA's reference"
	}
	why := "the same input must give the same answer, and leave nothing behind"
	switch {
	case strings.HasPrefix(name, "crypto.x509."), name == "io.jwt.decode_verify":
		why = "it asks the clock, and the same input must give the same answer"
	case strings.HasPrefix(name, "time."):
		why = "they have no clock; the present is time.parse_rfc3339_ns(input.time)"
	case strings.HasPrefix(name, "http."), strings.HasPrefix(name, "net."), strings.HasPrefix(name, "json."):
		why = "they have no network; put what they need into data"
	case name == "opa.runtime":
		why = "they see no environment and no configuration; put what they need into data"
	}
	return "policies may not use it: " + why
}
