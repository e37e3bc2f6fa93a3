package matrix

import (
	_ "embed"
	"fmt"
	"slices"
	"time"

	"sstpwarden/pcaps/pppref/pppauth"
	"sstpwarden/pcaps/sstpref/hello"
	"sstpwarden/pcaps/sstpref/profile"
)

// A Grid is what is to be run.
type Grid struct {
	Name    string // of the file, for people
	Seed    uint64
	Timeout time.Duration // of a cell
	Groups  []Group
}

// A Group is a product of axes. What it does not name is the base's.
type Group struct {
	Name       string
	About      string
	Clients    []string
	Servers    []string
	TLS        []string
	Transforms []string
	Paths      []string
	// Scenarios, if there are any, stand in the place of SSTP, and Clients are then
	// those of [BenignClientNames].
	Scenarios []string
}

// Defaults of a grid.
const (
	defaultTimeout = 12 * time.Second
	defaultClient  = "windows"
	defaultServer  = "rras"
	defaultBrowser = "chrome"
)

//go:embed default.yaml
var defaultGrid []byte

//go:embed small.yaml
var smallGrid []byte

// Default is the grid that is run where none is named.
func Default() *Grid { return builtIn("default", defaultGrid) }

// Small is a grid that takes seconds: each transform once.
func Small() *Grid { return builtIn("small", smallGrid) }

func builtIn(name string, text []byte) *Grid {
	g, err := ParseGrid(name, text)
	if err != nil {
		panic(err) // the tests parse them
	}
	return g
}

// Text returns the text of a grid that is built in, nil for one that there is not.
func Text(name string) []byte {
	switch name {
	case "default":
		return defaultGrid
	case "small":
		return smallGrid
	}
	return nil
}

// Cells returns the grid's cells, each once, in order. Those that cannot be are left
// out: ends that do not understand each other, and transforms that change nothing
// there.
func (g *Grid) Cells() []Cell {
	var out []Cell
	seen := map[string]bool{}
	for i := range g.Groups {
		for _, c := range g.Groups[i].cells() {
			if id := c.ID(); !seen[id] && possible(&c) {
				seen[id] = true
				out = append(out, c)
			}
		}
	}
	return out
}

func (g *Group) cells() (out []Cell) {
	for _, path := range g.Paths {
		for _, tls := range g.TLS {
			for _, client := range g.Clients {
				if len(g.Scenarios) > 0 {
					for _, scenario := range g.Scenarios {
						for _, transform := range g.Transforms {
							out = append(out, Cell{g.Name, client, benignServer, tls, transform, path, scenario})
						}
					}
					continue
				}
				for _, server := range g.Servers {
					for _, transform := range g.Transforms {
						out = append(out, Cell{g.Name, client, server, tls, transform, path, ""})
					}
				}
			}
		}
	}
	return out
}

// possible says whether a cell can be run at all.
func possible(c *Cell) bool {
	t, err := TransformByName(c.Transform)
	if err != nil || !t.fits(c) {
		return false
	}
	choice, _ := findTLS(c.TLS)
	if c.Benign() {
		return choice.version >= versionTLS12
	}
	client, err := profile.ClientByName(c.Client)
	if err != nil {
		return false
	}
	server, err := profile.ServerByName(c.Server)
	if err != nil {
		return false
	}
	return speaks(&client, &server, choice) && understands(&client, &server, &t)
}

const versionTLS12 = 0x0303

// speaks says whether both ends have the version, and a suite in common.
func speaks(client *profile.Client, server *profile.Server, choice tlsChoice) bool {
	if server.TLS.MaxVersion != 0 && choice.version > server.TLS.MaxVersion {
		return false
	}
	cbc := choice.family() == "cbc-sha1" || choice.family() == "rsa-cbc"
	if server.TLS.CipherSuites != nil && choice.suites != nil && !cbc {
		return false
	}
	if client.Hello == "" { // crypto/tls: whatever is wanted but old suites
		return choice.suites == nil && choice.version >= versionTLS12 || slices.Contains([]string{"gcm128", "gcm256", "chacha20", "cbc-sha1"}, choice.family())
	}
	if !slices.Contains(hello.Versions(client.Hello), choice.version) {
		return false
	}
	if choice.suites == nil {
		return true
	}
	spec, err := hello.Spec(client.Hello, "", hello.Options{MinVersion: choice.version, MaxVersion: choice.version})
	return err == nil && slices.ContainsFunc(choice.suites, func(id uint16) bool { return slices.Contains(spec.CipherSuites, id) })
}

// understands says whether both ends get a call and a login done.
func understands(client *profile.Client, server *profile.Server, t *Transform) bool {
	frees := t.Name == "no-call-connected" || t.Name == "no-control"
	if client.NoCallConnected && server.VerifyBinding && !frees {
		return false
	}
	return slices.ContainsFunc(client.Methods, func(m pppauth.Method) bool {
		return m != pppauth.EAPTLS && slices.Contains(server.Methods, m)
	})
}

// names checks a list of words against those that there are; all stands for all of them.
func names(words []string, known []string) ([]string, error) {
	var out []string
	for _, w := range words {
		switch {
		case w == "all":
			out = append(out, known...)
		case slices.Contains(known, w):
			out = append(out, w)
		default:
			return nil, fmt.Errorf("%q is not known: %s", w, instead(w, append([]string{"all"}, known...)))
		}
	}
	return out, nil
}
