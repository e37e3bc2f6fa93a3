package main

import (
	"os"
	"os/exec"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// decode has tshark open a capture with the secrets in it, and writes what each packet
// is made of. It wants no warning, and no bytes of SSTP or PPP that are not decoded.
func decode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: decode FILE")
	}
	if _, err := exec.LookPath("tshark"); err != nil {
		if os.Getenv("CI") != "" {
			ts.Fatalf("tshark is not there: apt-get install tshark")
		}
		ts.Logf("tshark is not there: what it makes of %s is not checked", args[0])
		return
	}
	run := func(more ...string) string {
		out, err := exec.Command("tshark", append([]string{"-n", "-r", ts.MkAbs(args[0])}, more...)...).Output()
		ts.Check(err)
		return string(out)
	}
	// That a receiver was slow is no fault of what was written.
	if warnings := strings.TrimSpace(run("-q", "-z", "expert,warn,not tcp.analysis.flags")); warnings != "" {
		ts.Fatalf("tshark warns:\n%s", warnings)
	}
	protocols := run("-T", "fields", "-e", "frame.protocols")
	seen := map[string]bool{}
	for line := range strings.Lines(protocols) {
		names := strings.Split(strings.TrimSpace(line), ":")
		for i, n := range names {
			seen[n] = true
			if n == "data" && names[i-1] != "tcp" && names[i-1] != "http" {
				ts.Fatalf("tshark cannot read all of a packet: %s", line)
			}
		}
	}
	for _, want := range []string{"tls", "http", "sstp", "ppp", "lcp", "ipcp", "ip", "tcp"} {
		if !seen[want] {
			ts.Fatalf("tshark sees no %s in\n%s", want, protocols)
		}
	}
}
