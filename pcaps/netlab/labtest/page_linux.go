package labtest

import (
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"regexp"
)

// A Loaded is what a page's script says of a resource.
type Loaded struct {
	URL      string
	Error    string
	Status   int
	Bytes    int
	Protocol string // nextHopProtocol
	Timed    int    // responseStatus of the timing
}

// Page is a web page that loads these resources at once, and writes into itself what came
// of it. Their origins must allow it to look at them and at how they came.
func Page(urls []string) http.HandlerFunc {
	list, err := json.Marshal(urls)
	if err != nil {
		panic(err) // strings can be marshalled
	}
	return func(rw http.ResponseWriter, _ *http.Request) {
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
}

var result = regexp.MustCompile(`(?s)<pre id="result">(.*?)</pre>`)

// Browse has Chromium on the client load such a page with all it needs, and gives what
// the page says. The user's home is a folder.
func (l *Lab) Browse(home, url string, flags ...string) ([]Loaded, error) {
	args := append([]string{
		"env", "HOME=" + home, "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
		"--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
		"--user-data-dir=" + home + "/profile", "--virtual-time-budget=30000", "--dump-dom",
	}, flags...)
	stdout, stderr, err := l.Try(l.Client, append(args, url)...)
	if err != nil {
		return nil, fmt.Errorf("chromium: %w\n%s", err, Tail(stderr))
	}
	m := result.FindStringSubmatch(stdout)
	var all []Loaded
	if m == nil || json.Unmarshal([]byte(html.UnescapeString(m[1])), &all) != nil {
		return nil, fmt.Errorf("the page has no result:\n%s\n%s", stdout, Tail(stderr))
	}
	return all, nil
}
