package sstpref

import (
	"errors"
	"fmt"
)

// A Step is a part of what it takes to get a tunnel up.
type Step string

// The steps, in order.
const (
	StepTCP            Step = "tcp"
	StepProxy          Step = "proxy"
	StepTLS            Step = "tls"
	StepCertificate    Step = "certificate"
	StepHTTP           Step = "http"
	StepSSTP           Step = "sstp"
	StepLCP            Step = "lcp"
	StepAuthentication Step = "authentication"
	StepIPCP           Step = "ipcp"
	StepData           Step = "data" // the tunnel was up
)

// A StepError says at which step a tunnel failed.
type StepError struct {
	Step Step
	Err  error
	// Look says what to look at; "" where Err says it.
	Look string
}

// Error names the step, what went wrong and what to look at.
func (e *StepError) Error() string {
	s := fmt.Sprintf("%s: %v", e.Step, e.Err)
	if e.Look != "" {
		s += "; " + e.Look
	}
	return s
}

// Unwrap returns Err.
func (e *StepError) Unwrap() error { return e.Err }

// failed wraps err in a StepError, unless it is one.
func failed(step Step, err error, look string) error {
	if _, ok := errors.AsType[*StepError](err); ok || err == nil {
		return err
	}
	return &StepError{step, err, look}
}
