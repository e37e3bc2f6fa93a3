package profile

import (
	"fmt"
	"slices"
	"strings"
)

// The clients and servers, in the order in which they are listed.
var (
	clients = []func() Client{
		ReferenceClient, windowsClient, windows7Client, sstpcClient, oscClient, mikrotikClient, mihomoClient,
	}
	servers = []func() Server{
		ReferenceServer, rrasServer, softetherServer, accelServer, mikrotikServer,
	}
)

// ClientNames returns the names of the clients, "reference" first.
func ClientNames() []string {
	names := make([]string, 0, len(clients))
	for _, c := range clients {
		names = append(names, c().Name)
	}
	return names
}

// ServerNames returns the names of the servers, "reference" first.
func ServerNames() []string {
	names := make([]string, 0, len(servers))
	for _, s := range servers {
		names = append(names, s().Name)
	}
	return names
}

// ClientByName returns the client of that name. The error lists the names.
func ClientByName(name string) (Client, error) {
	i := slices.Index(ClientNames(), name)
	if i < 0 {
		return Client{}, fmt.Errorf("no client profile %q: there are %s", name, strings.Join(ClientNames(), ", "))
	}
	return clients[i](), nil
}

// ServerByName returns the server of that name. The error lists the names.
func ServerByName(name string) (Server, error) {
	i := slices.Index(ServerNames(), name)
	if i < 0 {
		return Server{}, fmt.Errorf("no server profile %q: there are %s", name, strings.Join(ServerNames(), ", "))
	}
	return servers[i](), nil
}
