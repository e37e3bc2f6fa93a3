package proxy

import (
	"log"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// namespaceEnv says that this process has a network namespace of its own.
const namespaceEnv = "SSTPWARDEN_TEST_NAMESPACE"

// enterNamespace starts this program again, in a network namespace of its own.
// Without root it does nothing.
func enterNamespace() {
	if os.Getuid() != 0 || os.Getenv(namespaceEnv) != "" {
		return
	}
	runtime.LockOSThread() // the namespace is the thread's, and after exec the process's
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		log.Printf("no network namespace: %v", err)
		return
	}
	lo, err := netlink.LinkByName("lo")
	if err == nil {
		err = netlink.LinkSetUp(lo)
	}
	if err == nil {
		err = syscall.Exec("/proc/self/exe", os.Args, append(os.Environ(), namespaceEnv+"=1"))
	}
	log.Fatalf("entering a network namespace: %v", err)
}

// namespace skips a test that changes the network, where that would be the
// host's.
func namespace(t *testing.T) {
	t.Helper()
	if os.Getenv(namespaceEnv) == "" {
		if os.Getenv("CI") == "true" {
			t.Fatal("needs root")
		}
		t.Skip("needs root")
	}
}

// command runs a tool, with lines for its input.
func command(t *testing.T, input string, name string, args ...string) {
	t.Helper()
	c := exec.Command(name, args...)
	c.Stdin = strings.NewReader(input)
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", c, err, out)
	}
}
