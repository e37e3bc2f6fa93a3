package guard

import (
	"net/url"
	"slices"
	"testing"
)

func TestSplitTarget(t *testing.T) {
	for target, want := range map[string][3]string{
		"/":                      {"", "/", ""},
		"/a?b?c":                 {"", "/a", "?b?c"},
		"//h/x":                  {"", "//h/x", ""},
		"/a://b/c":               {"", "/a://b/c", ""},
		"http://h:80":            {"http://h:80", "", ""},
		"http://h/":              {"http://h", "/", ""},
		"http://h?q=/":           {"http://h", "", "?q=/"},
		"http://h/a?b=http://c/": {"http://h", "/a", "?b=http://c/"},
		"h:443":                  {"h:443", "", ""},
		"*":                      {"*", "", ""},
		"":                       {},
	} {
		before, path, query := SplitTarget(target)
		if got := [3]string{before, path, query}; got != want {
			t.Errorf("%q: got %q, want %q", target, got, want)
		}
	}
}

// A path that net/url does not take reaches the handler as it was sent, and one
// with an odd host does not.
func TestOddPath(t *testing.T) {
	r := newRig(t, Options{})
	for _, target := range []string{"/100%", "/%", "/%2", "/%zz%41?%", "http://h/%%%", "http://h?%", "/\xff%"} {
		got := responses(t, r.talk("GET "+target+" HTTP/1.1\r\nHost: h\r\n\r\n"))
		if want := []string{"200 GET " + target + " 0"}; !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if got := responses(t, r.talk("GET http://h%zz/ HTTP/1.1\r\nHost: h\r\n\r\n")); len(got) != 1 || got[0][:3] != "400" {
		t.Errorf("a host that is none: %q", got)
	}
}

// FuzzParseable checks that a path is always made such that net/url takes it.
func FuzzParseable(f *testing.F) {
	for _, s := range []string{"/100%", "/%zz%41?%", "http://h/%%%", "/%2"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, target string) {
		before, path, query := SplitTarget(target)
		if before+path+query != target {
			t.Fatalf("%q is parted in %q, %q, %q", target, before, path, query)
		}
		p := parseable(target)
		if parseable(p) != p {
			t.Errorf("%q is not stable", p)
		}
		_, path, _ = SplitTarget(p)
		if _, err := url.PathUnescape(path); err != nil {
			t.Errorf("%q: %v", p, err)
		}
		if _, err := url.ParseRequestURI(target); err == nil && before == "" && p != target {
			t.Errorf("%q was good and became %q", target, p)
		}
	})
}
