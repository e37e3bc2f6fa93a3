//go:build interop

package interop

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// needed names what the tests run, here and in the guest, and the Debian package
// that has it.
var needed = []struct{ file, debian string }{
	{"/usr/bin/linux.uml", "user-mode-linux"},
	{"/usr/bin/qemu-system-x86_64", "qemu-system-x86"},
	{"/bin/busybox", "busybox-static"},
	{"/usr/bin/cpio", "cpio"},
	{"/usr/sbin/nft", "nftables"},
	{"/sbin/modprobe", "kmod"},
	{"/usr/bin/cc", "gcc"},
	{"/usr/include/stdio.h", "libc6-dev"},
	{"/sbin/ip", "iproute2"},
	{"/usr/sbin/sstpc", "sstp-client"},
	{"/usr/sbin/pppd", "ppp"},
	{"/usr/sbin/squid", "squid"},
	{"/usr/bin/tcpdump", "tcpdump"},
	{"/usr/bin/ping", "iputils-ping"},
	{"/usr/bin/curl", "curl"},
	{"/etc/ssl/certs/ca-certificates.crt", "ca-certificates"}, // sstpc wants the folder
}

// install installs what is missing.
func install(ctx context.Context) error {
	var missing []string
	for _, n := range needed {
		if _, err := os.Stat(n.file); err != nil {
			missing = append(missing, n.debian)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	fmt.Fprintln(os.Stderr, "interop: installing", strings.Join(missing, " "))
	const hint = "on Debian, make apt-get work; elsewhere, provide what these packages have"
	apt := func(args ...string) error {
		cmd := exec.CommandContext(ctx, "apt-get", args...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("apt-get %s: %w\n%s(%s)", strings.Join(args, " "), err, out, hint)
		}
		return nil
	}
	if err := apt("update", "-q"); err != nil {
		return err
	}
	if err := apt(append([]string{"install", "-qy", "--no-install-recommends"}, missing...)...); err != nil {
		return err
	}
	for _, n := range needed {
		if _, err := os.Stat(n.file); err != nil {
			return fmt.Errorf("the package %s was to bring %s: %w (%s)", n.debian, n.file, err, hint)
		}
	}
	return nil
}
