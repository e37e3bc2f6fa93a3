package matrix

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// What is built cuts tunnels and lets all else pass, as another vendor's box would be
// started; without root the routed paths say what they need.
func TestEnforced(t *testing.T) {
	warden := built(t, "sstpwarden")
	var cells []Cell
	for _, path := range []string{"explicit", "opened", "transparent", "router"} {
		transforms, scenario := []string{None, "hello-both", "headers-extra"}, "grpc-stream"
		if path == "explicit" || path == "opened" {
			transforms = append(transforms, "connect-bare")
		}
		if path == "opened" {
			scenario = "https-page"
		}
		for _, transform := range transforms {
			cells = append(cells, cell("windows", "softether", "1.3", transform, path, ""))
		}
		cells = append(cells, cell("chrome", benignServer, "1.3", None, path, scenario))
	}
	r := runCells(t, Options{Sstpwarden: warden}, cells...)
	for i := range r.Cells {
		c := &r.Cells[i]
		k, err := findPath(c.Path)
		if err != nil {
			t.Fatal(err)
		}
		if k.root && (os.Geteuid() != 0 || runtime.GOOS != "linux") {
			if !c.Skipped || os.Geteuid() != 0 && c.Reason != "needs root" {
				t.Errorf("%s: %s, %s", c.ID, c.Status(), c.Reason)
			}
			continue
		}
		if c.Status() != "right" || c.Outcome == nil {
			t.Errorf("%s: %s, %s", c.ID, c.Status(), c.Reason)
			continue
		}
		o := c.Outcome
		switch {
		case !c.SSTP && o.Result != Passed, c.SSTP && o.Result != Cut:
			t.Errorf("%s: %+v", c.ID, o)
		case c.SSTP && k.proxied && c.Transform == None && (o.Stage != "proxy" || o.How != "refusal"):
			t.Errorf("%s: %+v", c.ID, o)
		case c.SSTP && (o.Up == 0 || o.Milliseconds == 0 || o.How == "" || o.Error == ""):
			t.Errorf("%s: %+v", c.ID, o)
		}
	}
}

// A path that cannot be had here skips its cells.
func TestNoSstpwarden(t *testing.T) {
	r := runCells(t, Options{Sstpwarden: filepath.Join(t.TempDir(), "none")}, cell("windows", "rras", "1.3", None, "explicit", ""))
	if c := r.Cells[0]; !c.Skipped || c.Reason != "no sstpwarden: name it with --sstpwarden PATH" || r.Counts.Skipped != 1 {
		t.Errorf("%+v", c)
	}
}
