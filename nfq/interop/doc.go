// Package interop tests the built programs: `sstpwarden nfq` on a router between SSTP
// clients and servers of sstplab, curl, wget and Chromium, beside what others have in the
// firewall. It holds tests only.
//
// Each test has a client, a router and a server of its own, which are network
// namespaces (see pcaps/netlab). It takes root, Linux with nftables, and these packages
// of Debian:
//
//	chromium curl iproute2 nftables wget
//
// The programs are built from this source, or are those in the folder that the
// environment variable INTEROP_PROGRAMS names. INTEROP_FLOOD says how long the test of a
// flood takes, "1m" for instance.
//
// Where something is missing the tests that need it are skipped, and with the
// environment variable CI they fail.
package interop
