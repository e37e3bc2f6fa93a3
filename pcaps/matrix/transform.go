package matrix

import (
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"time"

	"sstpwarden/pcaps/sstpref"
)

// A Transform changes how a tunnel looks and not that it is one.
type Transform struct {
	Name   string
	Family string
	About  string
	// Paths are those that it makes sense on, nil for all.
	Paths []string
	// TLS are versions that it makes sense with, nil for all.
	TLS []string
	// Servers are profiles that stand it, nil for all.
	Servers []string
	// Anything: it changes how bytes are sent and nothing else, so that it can be
	// done to other protocols as well.
	Anything bool

	apply func(*Setup)
}

// A Setup is both ends of a cell before it runs, for a transform to change.
type Setup struct {
	Client *sstpref.ClientConfig
	Server *sstpref.ServerConfig
	// Rand is the cell's own, from the grid's seed.
	Rand *rand.Rand
	// NearWire and FarWire are put around the client's and the server's connection
	// below TLS, the first innermost. The capture is below them all.
	NearWire, FarWire []func(net.Conn) net.Conn
	// NearInside and FarInside are put around the connection within TLS.
	NearInside, FarInside []wrapper
	// Near and Far are the secrets of the outermost TLS, as they become known.
	Near, Far *secrets
	// Hold is how long the tunnel is left idle behind the download.
	Hold time.Duration

	connect func(to string) []byte // the CONNECT, nil for the profile's
}

// families are the transforms of each file, in the order in which they are listed.
var families = [][]Transform{
	{{Name: None, Family: "none", About: "as the profiles are", Anything: true, apply: func(*Setup) {}}},
	helloTransforms, segmentTransforms, nameTransforms, connectTransforms, httpTransforms, controlTransforms, recordTransforms, aroundTransforms, timeTransforms, callTransforms,
}

// Transforms returns all transforms, by family.
func Transforms() []Transform { return slices.Concat(families...) }

// TransformByName returns the transform of that name.
func TransformByName(name string) (Transform, error) {
	for _, family := range families {
		for _, t := range family {
			if t.Name == name {
				return t, nil
			}
		}
	}
	return Transform{}, fmt.Errorf("no transform %q: sstplab matrix --transforms lists them", name)
}

// fits says whether the transform makes sense in a cell.
func (t *Transform) fits(c *Cell) bool {
	version, _, _ := strings.Cut(c.TLS, "/")
	switch {
	case c.Benign() && !t.Anything:
		return false
	case t.Paths != nil && !slices.Contains(t.Paths, c.Path):
		return false
	case t.TLS != nil && !slices.Contains(t.TLS, version):
		return false
	case t.Servers != nil && !slices.Contains(t.Servers, c.Server):
		return false
	}
	return true
}

// near and far put something around an end's connection below TLS.
func near(f func(net.Conn) net.Conn) func(*Setup) {
	return func(s *Setup) { s.NearWire = append(s.NearWire, f) }
}

// inside puts something around both ends' connections within TLS.
func inside(client, server wrapper) func(*Setup) {
	return func(s *Setup) {
		if client != nil {
			s.NearInside = append(s.NearInside, client)
		}
		if server != nil {
			s.FarInside = append(s.FarInside, server)
		}
	}
}
