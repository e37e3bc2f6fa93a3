// Package interop tests the reference endpoint against programs that are not
// ours: sstp-client with a real pppd, squid, curl and ping; and the inspector of
// queued packets between them.
//
// The tests carry the build tag interop, since they need root, Debian's
// packages (which they install) and some minutes:
//
//	go test -tags interop -count=1 -v ./pcaps/interop
//
// pppd needs a kernel with PPP, which build machines and containers seldom
// have. So the test binary boots some, see package uml, and runs itself inside with a
// share of the tests each; those whose names begin with TestStock run on Debian's
// own kernel, see package stock, at the same time. What -run, -v and -count say holds
// there, and results come out as from any other test, those of one machine after
// another's. Each test makes network namespaces with an emulated delay between client
// and server and an office behind the server that only the tunnel leads to.
//
// The logs of all programs, a capture of what the client sends and the secrets
// to open it with are left in bin/interop when a test fails, or if the
// environment variable INTEROP_KEEP is set. SSTPLAB and SSTPWARDEN name
// binaries to test in place of ones built from this source.
package interop
