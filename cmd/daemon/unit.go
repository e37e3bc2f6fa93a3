package daemon

import (
	"embed"
	"fmt"
	"strings"
)

//go:embed systemd
var unitTexts embed.FS

// What the units say unless another is asked for.
const (
	unitExec   = "/usr/local/bin/sstpwarden"
	unitConfig = "/etc/sstpwarden/sstpwarden.yaml"
)

// unitFiles are the files of systemd that there are, by what they are asked for.
var unitFiles = []struct{ name, file string }{
	{"service", "sstpwarden-proxy.service"},
	{"socket", "sstpwarden-proxy.socket"},
	{"transparent", "transparent.conf"},
	{"nfq", "sstpwarden-nfq.service"},
}

// Units names the files of systemd that [Unit] gives.
func Units() []string {
	out := make([]string, len(unitFiles))
	for i, u := range unitFiles {
		out[i] = u.name
	}
	return out
}

// Unit gives a file of systemd: of the proxy "service", "socket", or "transparent",
// a drop-in for the service; of the inspector "nfq". Exec is the program and config its configuration, absolute;
// "" stands for /usr/local/bin/sstpwarden and /etc/sstpwarden/sstpwarden.yaml.
func Unit(name, exec, config string) (string, error) {
	for _, u := range unitFiles {
		if u.name != name {
			continue
		}
		text, err := unitTexts.ReadFile("systemd/" + u.file)
		if err != nil {
			return "", err // it is embedded
		}
		var swaps []string
		for _, s := range []struct{ from, to string }{{unitExec, exec}, {unitConfig, config}} {
			if s.to == "" {
				continue
			}
			if strings.ContainsAny(s.to, " \t\n\"'\\%$") || !strings.HasPrefix(s.to, "/") {
				return "", fmt.Errorf("%q cannot stand in a unit: use an absolute name without spaces, quotes, %% and $", s.to)
			}
			swaps = append(swaps, s.from, s.to)
		}
		return strings.NewReplacer(swaps...).Replace(string(text)), nil
	}
	return "", fmt.Errorf("there is no unit %s: %s", shown(name), allowed(name, Units()))
}
