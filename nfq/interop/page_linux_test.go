package interop

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"

	"sstpwarden/pcaps/netlab"
	"sstpwarden/pcaps/netlab/labtest"
)

// resources is how many a page loads of each origin.
const resources = 24

// loads are what a page loads, by the origin, and the protocol that it must come by.
var loads = []struct{ origin, protocol string }{
	{"http://" + netlab.Server4, "http/1.1"},
	{"https://" + netlab.Server4 + ":8443", "http/1.1"},
	{"https://" + netlab.Server4b, "h2"},
	{"https://[" + netlab.Server6 + "]", "h2"},
	{"http://[" + netlab.Server6b + "]", "http/1.1"},
}

// page is one that loads all these.
func page() http.HandlerFunc {
	var urls []string
	for _, l := range loads {
		for n := range resources {
			urls = append(urls, fmt.Sprintf("%s/%d", l.origin, 1+n*n*2000))
		}
	}
	return labtest.Page(urls)
}

// browse has Chromium load the page with all it needs.
func (l *lab) browse(home string) error {
	all, err := l.Browse(filepath.Join(l.Dir, home), "http://"+netlab.Server4+"/page", "--ignore-certificate-errors")
	if err != nil {
		return err
	}
	if len(all) != len(loads)*resources {
		return fmt.Errorf("the page loaded %d resources", len(all))
	}
	for i, r := range all {
		want := loads[i/resources]
		n := i % resources
		if !strings.HasPrefix(r.URL, want.origin+"/") || r.Error != "" || r.Status != http.StatusOK || r.Timed != http.StatusOK || r.Bytes != 1+n*n*2000 || r.Protocol != want.protocol {
			return fmt.Errorf("%+v; want %d bytes by %s", r, 1+n*n*2000, want.protocol)
		}
	}
	return nil
}
