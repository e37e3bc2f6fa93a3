// Package interop tests the built programs, sstpwarden and sstplab, with programs
// that are not ours on both sides: curl, wget, Chromium, sstpc, strace, nft. It
// holds tests only.
//
// Each test has a client, a router and a server of its own, which are network
// namespaces (see pcaps/netlab); the proxy runs on the router. It takes root, Linux
// with nftables, and these packages of Debian:
//
//	apache2-utils chromium curl iproute2 libnss3-tools nftables sstp-client strace wget
//
// The programs are built from this source, or are those in the folder that the
// environment variable INTEROP_PROGRAMS names.
//
// Where something is missing the tests that need it are skipped, and with the
// environment variable CI they fail.
package interop
