package interop

import (
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"

	"sstpwarden/pcaps/netlab"
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

// A loaded is what the page's script says of a resource.
type loaded struct {
	URL      string
	Error    string
	Status   int
	Bytes    int
	Protocol string // nextHopProtocol
}

// page loads everything at once, and writes into itself what came of it.
func page(rw http.ResponseWriter, _ *http.Request) {
	var urls []string
	for _, l := range loads {
		for n := range resources {
			urls = append(urls, fmt.Sprintf("%s/%d", l.origin, 1+n*n*2000))
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
		if (t) r.Protocol = t.nextHopProtocol
	}
	document.getElementById("result").textContent = JSON.stringify(all)
})
</script>`, list)
}

var result = regexp.MustCompile(`(?s)<pre id="result">(.*?)</pre>`)

// browse has Chromium load the page with all it needs.
func (l *lab) browse(home string) error {
	stdout, stderr, err := l.try(l.Client, "env", "HOME="+filepath.Join(l.dir, home),
		"chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
		"--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--ignore-certificate-errors",
		"--user-data-dir="+filepath.Join(l.dir, home, "profile"), "--virtual-time-budget=30000", "--dump-dom", "http://"+netlab.Server4+"/page")
	if err != nil {
		return fmt.Errorf("chromium: %w\n%s", err, tail(stderr))
	}
	m := result.FindStringSubmatch(stdout)
	var all []loaded
	if m == nil || json.Unmarshal([]byte(html.UnescapeString(m[1])), &all) != nil || len(all) != len(loads)*resources {
		return fmt.Errorf("the page has no result:\n%s\n%s", stdout, tail(stderr))
	}
	for i, r := range all {
		want := loads[i/resources]
		n := i % resources
		if !strings.HasPrefix(r.URL, want.origin+"/") || r.Error != "" || r.Status != http.StatusOK || r.Bytes != 1+n*n*2000 || r.Protocol != want.protocol {
			return fmt.Errorf("%+v; want %d bytes by %s", r, 1+n*n*2000, want.protocol)
		}
	}
	return nil
}
