//go:build interop

package stock

import (
	"io"
	"testing"

	"sstpwarden/pcaps/interop/machinetest"
)

func TestRun(t *testing.T) {
	machinetest.Run(t, func(dir string, output io.Writer) machinetest.Machine {
		return &Machine{Dir: dir, Kernel: "../../../bin/interop/kernel", Output: output}
	}, `ip netns exec a nft add table inet t '{ chain c { type filter hook forward priority 0; tcp dport 443 queue flags bypass to 1-2; }; }'
		unshare -m nsenter -t 1 -m test -e /out/kept`)
}
