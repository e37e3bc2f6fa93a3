// Package netlab makes small networks of network namespaces on this machine: hosts,
// and links between them, in which real programs run and real packets go. Nothing of
// the host's own network is touched, and everything goes with the hosts.
//
// It takes root, or CAP_SYS_ADMIN and CAP_NET_ADMIN.
//
//	lab, err := netlab.NewRouted()   // client - router - server
//	defer lab.Close()
//	out, err := lab.Client.Command(ctx, "curl", "http://10.2.0.2/").Output()
package netlab
