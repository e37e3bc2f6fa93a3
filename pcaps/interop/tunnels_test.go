//go:build interop

package interop

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
)

// What is promised of the proxy, and the limit of open files that it takes: two for
// each, and some.
const (
	idleTunnels = 10_000
	idleFiles   = "24000"
)

var tunnelsMore = regexp.MustCompile(`(?m): (\d+) tunnels more, .*$`)

// The proxy's own test of idle tunnels holds as many as the limit of open files allows,
// which only a machine's root can raise for sure: here it is all that are promised.
func TestIdleTunnels(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), "sh", "-c", `ulimit -n `+idleFiles+` && exec "$0" -test.v -test.timeout=0 '-test.run=^TestIdleTunnels$'`,
		filepath.Join(guestDir, proxyTests))
	cmd.Env = append(os.Environ(), roleVariable+"=", "INTEROP_PROGRAMS="+guestDir)
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		kernel, _ := exec.Command("dmesg").Output() // it may know why
		t.Fatalf("%v; the kernel said at last:\n%s", err, kernel[max(0, len(kernel)-2000):])
	}
	held := 0
	for _, m := range tunnelsMore.FindAllSubmatch(out, -1) {
		n, err := strconv.Atoi(string(m[1]))
		if err != nil {
			t.Fatal(err)
		}
		held += n
	}
	if held < idleTunnels {
		t.Errorf("%d tunnels were held, want %d", held, idleTunnels)
	}
}
