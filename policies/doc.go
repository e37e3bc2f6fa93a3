// Package policies decides what is to be done with a connection.
//
// A [Decider] answers one question: given what is known of a connection (an
// [Input]), what is to be done (a [Decision])? Package policies/opa answers
// with Rego; tests answer with a function.
//
// A [Gate] is the one place that says when the question is asked: once when a
// CONNECT head was read, once when a ClientHello was read, then once for every
// change of the Detection, and never for a packet. It is also the one place
// that knows what stands in for an answer that did not come: an error is never
// a silent allow. An audit, the proxy and the packet queue use the same Gate,
// so a capture that audits right enforces right.
//
//	Detection -> Gate.Update -> Input -> Decider -> Decision
//
// [Default] is the set of policies that is used when nobody wrote another, with
// its tests beside it. [InputSchema] says what a policy may look at.
//
// A [Comparison] asks two of them, to see what would change. What policies read
// as data is checked by [ParseData]. Package policies/event is what is told of a
// connection, decisionlog records what was asked and answered, and sink carries
// both to files and servers.
//
// The package does not enforce anything and does not link OPA.
package policies
