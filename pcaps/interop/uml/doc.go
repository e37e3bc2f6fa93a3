// Package uml runs a shell script as root on a Linux kernel of its own: Debian's
// User-Mode Linux, an ordinary process that needs neither KVM nor modules of
// the kernel below. It has what tests of tunnels want and build machines lack:
// PPP, TUN, veth, netem, network namespaces.
//
// The guest sees this machine's file tree, read-only below, with a tmpfs on
// top: what it changes is gone when it ends. /run and /tmp are its own, so
// files from there are not visible inside, and [Machine.Dir] stands at /out,
// where both sides read and write. There is one processor and no network but
// what the script makes.
//
// Everything but this comment carries the build tag interop, as
// package interop does.
package uml
