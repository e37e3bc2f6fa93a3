// Package machinetest tests what the machines of its sibling packages have in common. It
// is for their tests alone.
package machinetest
