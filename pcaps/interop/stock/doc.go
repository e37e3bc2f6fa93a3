// Package stock runs a shell script as root on Debian's own kernel, under QEMU's
// software emulation: what a User-Mode Linux (package uml) has not, and users'
// machines have, such as all of nftables. It needs no KVM, and is slow: programs
// are to be built outside.
//
// The guest sees this machine's file tree, read-only below, with a tmpfs on
// top: what it changes is gone when it ends. /run and /tmp are its own, so
// files from there are not visible inside, and [Machine.Dir] stands at /out,
// where both sides read and write. There is no network but what the script
// makes.
//
// Everything but this comment carries the build tag interop, as
// package interop does.
package stock
