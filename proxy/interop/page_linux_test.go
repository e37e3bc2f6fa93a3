package interop

import (
	"context"
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// resources is how many a page loads of each origin.
const resources = 24

// loads are what a page loads, by the origin, and the protocol that it must come by.
var loads = []struct{ origin, protocol string }{
	{"http://" + webName, "http/1.1"},
	{"https://" + webName + ":8443", "http/1.1"},
	{"https://" + webName, "h2"},
	{"https://" + web4Name, "h2"},
	{"https://" + web6Name + ":8443", "http/1.1"},
}

// A loaded is what the page's script says of a resource.
type loaded struct {
	URL      string
	Error    string
	Status   int
	Bytes    int
	Protocol string // nextHopProtocol
	Timed    int    // responseStatus of the timing
}

// page loads everything at once, and writes into itself what came of it.
func page(rw http.ResponseWriter, _ *http.Request) {
	var urls []string
	for _, l := range loads {
		for n := range resources {
			urls = append(urls, fmt.Sprintf("%s/small/%d", l.origin, 1+n*n*500))
		}
	}
	list, err := json.Marshal(urls)
	if err != nil {
		http.Error(rw, err.Error(), http.StatusInternalServerError)
		return
	}
	rw.Header().Set("Content-Type", "text/html")
	fmt.Fprintf(rw, `<!doctype html><title>page</title><pre id=result></pre><script>
performance.setResourceTimingBufferSize(10000)
async function load(url) {
	const r = {URL: url, Error: ""}
	try {
		const resp = await fetch(url)
		r.Status = resp.status
		r.Bytes = (await resp.arrayBuffer()).byteLength
	} catch (e) { r.Error = String(e) }
	return r
}
Promise.all(%s.map(load)).then(all => {
	for (const r of all) {
		const t = performance.getEntriesByName(r.URL)[0]
		if (t) { r.Protocol = t.nextHopProtocol; r.Timed = t.responseStatus }
	}
	document.getElementById("result").textContent = JSON.stringify(all)
})
</script>`, list)
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
			for _, r := range p.browse(home, "http://"+webName+"/page") {
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
	p.t.Helper()
	home := filepath.Join(p.dir, "home")
	db := filepath.Join(home, ".pki/nssdb")
	if err := os.MkdirAll(db, 0o700); err != nil {
		p.t.Fatal(err)
	}
	p.run(p.Client, "certutil", "-d", "sql:"+db, "-N", "--empty-password")
	p.run(p.Client, "certutil", "-d", "sql:"+db, "-A", "-t", "C,,", "-n", "lab", "-i", p.ca)
	return home
}

var result = regexp.MustCompile(`(?s)<pre id="result">(.*?)</pre>`)

// browse has Chromium load the page, and gives what that says.
func (p *passage) browse(home, url string) []loaded {
	p.t.Helper()
	args := []string{
		"chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
		"--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--user-data-dir=" + filepath.Join(home, "profile"),
		"--virtual-time-budget=30000", "--dump-dom",
	}
	if u := p.proxyURL(); u != nil {
		args = append(args, "--proxy-server="+u.String())
	}
	ctx, cancel := context.WithTimeout(p.t.Context(), 2*patience)
	defer cancel()
	cmd := p.command(ctx, p.Client, append(args, url)...)
	cmd.Env = append(os.Environ(), "HOME="+home)
	var out, messages strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &messages
	if err := cmd.Run(); err != nil {
		p.t.Fatalf("chromium: %v\n%s", err, tail(messages.String()))
	}
	m := result.FindStringSubmatch(out.String())
	var all []loaded
	if m == nil || json.Unmarshal([]byte(html.UnescapeString(m[1])), &all) != nil || len(all) != len(loads)*resources {
		p.t.Fatalf("the page has no result:\n%s\n%s", out.String(), tail(messages.String()))
	}
	return all
}

func (p *passage) checkLoaded(r loaded) {
	p.t.Helper()
	for _, l := range loads {
		var size int
		if n, _ := fmt.Sscanf(strings.TrimPrefix(r.URL, l.origin), "/small/%d", &size); n != 1 || !strings.HasPrefix(r.URL, l.origin+"/") {
			continue
		}
		if r.Error != "" || r.Status != http.StatusOK || r.Timed != http.StatusOK || r.Bytes != size || r.Protocol != l.protocol {
			p.t.Errorf("%+v; want %d bytes by %s", r, size, l.protocol)
		}
		return
	}
	p.t.Errorf("nobody asked for %+v", r)
}
