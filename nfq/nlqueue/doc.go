// Package nlqueue reads and writes the netlink messages of the kernel's packet queue
// (linux/netfilter/nfnetlink_queue.h): packets as they come, and the verdicts on them.
// It opens no sockets, and configures no queues.
//
//	struct nlmsghdr   length, type, flags, sequence, port; native byte order
//	struct nfgenmsg   family, version, queue number; the latter big-endian
//	struct nlattr     length, type; native byte order; what follows is big-endian
//	...
//
// Reading and writing allocate nothing, apart from what writing appends to.
package nlqueue
