// Package opa answers policies' question with Rego, through Open Policy Agent.
// It is the only package that links OPA.
//
// [New] compiles the policies of a file system once; [Decider.Decide] evaluates
// data.sstp.decision with an Input. Policies are compiled strictly and against
// [policies.InputSchema], so that a misspelt path is an error when they are
// loaded. They are pure: built-in functions that reach the network, read the
// environment or the clock or draw random numbers do not exist for them; the
// present is input.time. A built-in function that fails makes the evaluation
// fail, so that no malformed text decides by being undefined.
//
// The result is read strictly too. An undefined decision, two of them, an
// unknown key or a value of a wrong type is an error ([ErrUndefined],
// [ErrConflict], [*ResultError]), and never an allow.
//
// [Load] compiles what is in a folder or a bundle, with its data and, where that
// is asked for, a signature; a [Live] does so again when files change, and
// keeps the last good set.
//
// Decisions are remembered by what the policies look at ([Decider.Reads]), and
// some are known before anything is asked ([Decider.Foresee]).
// [Decider.Explain] shows how a decision comes about, and [RunTests] runs the
// tests beside policies.
package opa
