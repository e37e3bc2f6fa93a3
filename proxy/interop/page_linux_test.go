package interop

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sstpwarden/pcaps/netlab/labtest"
)

// resources is how many a page loads of each origin.
const resources = 24

// loads are what a page loads, by the origin, and the protocol that it must come by.
var loads = []struct{ origin, protocol string }{
	{"http://" + labtest.WebName, "http/1.1"},
	{"https://" + labtest.WebName + ":8443", "http/1.1"},
	{"https://" + labtest.WebName, "h2"},
	{"https://" + labtest.Web4Name, "h2"},
	{"https://" + labtest.Web6Name + ":8443", "http/1.1"},
}

// page is one that loads all these.
func page() http.HandlerFunc {
	var urls []string
	for _, l := range loads {
		for n := range resources {
			urls = append(urls, fmt.Sprintf("%s/small/%d", l.origin, 1+n*n*500))
		}
	}
	return labtest.Page(urls)
}

// Chromium loads a page with all it needs, without one failed request.
func TestChromium(t *testing.T) {
	t.Parallel()
	for _, w := range ways {
		if w.mode == "redirect" {
			continue // as tproxy
		}
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			p := w.passage(t, "chromium", "certutil")
			server := p.web()
			home := p.home()
			for _, r := range p.browse(home, "http://"+labtest.WebName+"/page") {
				p.checkLoaded(r)
			}
			if n := server.connections(); n < len(loads) {
				t.Errorf("%d connections were made for %d origins", n, len(loads))
			}
			if opened := p.warden.metric(`intercept_total{result="opened"}`); w.opened != (opened > 0) {
				t.Errorf("%v connections were opened", opened)
			}
			for _, result := range []string{"not_opened", "bypassed"} {
				if n := p.warden.metric(`intercept_total{result="` + result + `"}`); n != 0 {
					t.Errorf("%v connections were %s", n, result)
				}
			}
			if list := p.bypass(); len(list) != 0 {
				t.Errorf("now these are left alone: %+v", list)
			}
		})
	}
}

// home is a new folder of a user who trusts the authority.
func (p *passage) home() string {
	p.T.Helper()
	home := filepath.Join(p.Dir, "home")
	db := filepath.Join(home, ".pki/nssdb")
	if err := os.MkdirAll(db, 0o700); err != nil {
		p.T.Fatal(err)
	}
	p.Run(p.Client, "certutil", "-d", "sql:"+db, "-N", "--empty-password")
	p.Run(p.Client, "certutil", "-d", "sql:"+db, "-A", "-t", "C,,", "-n", "lab", "-i", p.ca)
	return home
}

// browse has Chromium load the page, and gives what that says.
func (p *passage) browse(home, url string) []labtest.Loaded {
	p.T.Helper()
	var flags []string
	if u := p.proxyURL(); u != nil {
		flags = append(flags, "--proxy-server="+u.String())
	}
	all, err := p.Browse(home, url, flags...)
	if err != nil {
		p.T.Fatal(err)
	}
	if len(all) != len(loads)*resources {
		p.T.Fatalf("the page loaded %d resources", len(all))
	}
	return all
}

func (p *passage) checkLoaded(r labtest.Loaded) {
	p.T.Helper()
	for _, l := range loads {
		var size int
		if n, _ := fmt.Sscanf(strings.TrimPrefix(r.URL, l.origin), "/small/%d", &size); n != 1 || !strings.HasPrefix(r.URL, l.origin+"/") {
			continue
		}
		if r.Error != "" || r.Status != http.StatusOK || r.Timed != http.StatusOK || r.Bytes != size || r.Protocol != l.protocol {
			p.T.Errorf("%+v; want %d bytes by %s", r, size, l.protocol)
		}
		return
	}
	p.T.Errorf("nobody asked for %+v", r)
}
