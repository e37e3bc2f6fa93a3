package bypass_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sstpwarden/proxy/bypass"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// TestFile keeps what was added and learned, and nothing else.
func TestFile(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "bypass.json")
	c := newClock()
	o := bypass.Options{File: file, Now: c.Now, Max: 4, Rejections: 1}
	l := newList(t, o)
	client, server := addr("10.0.0.1"), at("192.0.2.1:443")
	if err := l.Configure([]bypass.Entry{{Name: "configured.example"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Add(bypass.Entry{Name: ".added.example", Port: 443, Reason: `"quoted" <text>`}); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Add(bypass.Entry{User: "eve", Expires: c.Now().Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	l.Tunnel(client, server, "vpn.example", "r1")
	l.Rejected(client, "app.example", server)
	c.pass(time.Minute)
	l.Match(bypass.Query{Server: server, Client: client, Revision: "r1"})
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	want := l.Entries()[1:]
	if diff := cmp.Diff(want, newList(t, o).Entries(), cmpopts.EquateComparable(prefix("::/0"))); diff != "" {
		t.Error(diff)
	}

	// What has expired stays out, and what was used least recently goes first.
	c.pass(time.Hour)
	l = newList(t, o)
	for _, name := range []string{"b.example", "c.example"} {
		if _, err := l.Add(bypass.Entry{Name: name}); err != nil {
			t.Fatal(err)
		}
	}
	var kinds []bypass.Kind
	for _, e := range l.Entries() {
		kinds = append(kinds, e.Kind)
	}
	if diff := cmp.Diff([]bypass.Kind{bypass.Added, bypass.Added, bypass.Added, bypass.Tunnel}, kinds); diff != "" {
		t.Error(diff)
	}
	if list, err := os.ReadDir(dir); err != nil || len(list) != 1 {
		t.Errorf("%v, %v", list, err)
	}

	// Less room than there are entries.
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	o.Max = 2
	if n := len(newList(t, o).Entries()); n != 2 {
		t.Errorf("%d entries", n)
	}
}

// TestFileDelay writes some time after a change, and not for each.
func TestFileDelay(t *testing.T) {
	file := filepath.Join(t.TempDir(), "bypass.json")
	synctest.Test(t, func(t *testing.T) {
		l := bypass.New(bypass.Options{File: file})
		l.Match(bypass.Query{Name: "a.example"})
		add := func(name string) {
			t.Helper()
			if _, err := l.Add(bypass.Entry{Name: name}); err != nil {
				t.Fatal(err)
			}
		}
		written := func(want ...string) {
			t.Helper()
			synctest.Wait()
			text, err := os.ReadFile(file)
			if len(want) == 0 && !errors.Is(err, os.ErrNotExist) {
				t.Errorf("%v\n%s", err, text)
			}
			for _, name := range want {
				if !strings.Contains(string(text), name) {
					t.Errorf("%s is not written", name)
				}
			}
		}
		add("a.example")
		time.Sleep(time.Second)
		add("b.example")
		written()
		time.Sleep(time.Second)
		written("a.example", "b.example")
		add("c.example")
		time.Sleep(2 * time.Second)
		written("c.example")
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		written() // there was nothing to write
		l.Match(bypass.Query{Name: "a.example"})
		time.Sleep(time.Minute)
		written()
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		written("a.example", `"uses": 1`)
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
		add("d.example")
		time.Sleep(time.Minute)
		written()
	})
}

func TestDamagedFile(t *testing.T) {
	const entry = `{"kind": "added", "user": "eve", "uses": 0}`
	for name, tt := range map[string]struct{ text, want string }{
		"empty":            {"", "unexpected end of JSON input"},
		"cut":              {`{"version": 1, "entries": [` + entry, "unexpected end of JSON input"},
		"garbage":          {"\x00\x01", "invalid character"},
		"another version":  {`{"version": 2}`, "it has version 2, not 1"},
		"nothing":          {"null", "it has version 0, not 1"},
		"kind":             {`{"version": 1, "entries": [` + entry + `, {"kind": "odd", "user": "x"}]}`, `entry 2: "odd" is no kind of entry`},
		"configured":       {`{"version": 1, "entries": [{"kind": "configured", "user": "x"}]}`, "entry 1: configured ones are not kept there"},
		"name":             {`{"version": 1, "entries": [{"kind": "added", "name": "*"}]}`, "is no name of a server"},
		"address":          {`{"version": 1, "entries": [{"kind": "added", "address": "x"}]}`, "netip.ParsePrefix"},
		"tunnel":           {`{"version": 1, "entries": [{"kind": "tunnel", "client": "10.0.0.0/8", "address": "192.0.2.1/32", "port": 443, "revision": "r1"}]}`, "it is not as the kind tunnel is learned"},
		"rejected":         {`{"version": 1, "entries": [{"kind": "rejected", "client": "10.0.0.1/32", "name": ".example"}]}`, "it is not as the kind rejected is learned"},
		"rejected, a user": {`{"version": 1, "entries": [{"kind": "rejected", "client": "10.0.0.1/32", "name": "a.example", "user": "eve"}]}`, "it is not as the kind rejected is learned"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			file := filepath.Join(dir, "bypass.json")
			if err := os.WriteFile(file, []byte(tt.text), 0o600); err != nil {
				t.Fatal(err)
			}
			var told []error
			l := newList(t, bypass.Options{File: file, OnError: func(err error) { told = append(told, err) }})
			if len(told) != 1 || !strings.HasPrefix(told[0].Error(), "loading the bypass list: "+file+": ") || !strings.Contains(told[0].Error(), tt.want) ||
				!strings.HasSuffix(told[0].Error(), "; it was set aside as "+file+".damaged, and the list begins empty") {
				t.Errorf("%v\nwant %s", told, tt.want)
			}
			if n := len(l.Entries()); n != 0 {
				t.Errorf("%d entries", n)
			}
			if text, err := os.ReadFile(file + ".damaged"); err != nil || string(text) != tt.text {
				t.Errorf("set aside: %q, %v", text, err)
			}
			if _, err := l.Add(bypass.Entry{User: "eve"}); err != nil {
				t.Fatal(err)
			}
			if err := l.Close(); err != nil {
				t.Error(err)
			}
			if n := len(newList(t, bypass.Options{File: file}).Entries()); n != 1 {
				t.Errorf("%d entries were kept", n)
			}
		})
	}
}

func TestNoFile(t *testing.T) {
	dir := t.TempDir()
	var told []string
	tell := func(err error) { told = append(told, err.Error()) }
	l := bypass.New(bypass.Options{File: dir, OnError: tell})
	if _, err := l.Add(bypass.Entry{User: "eve"}); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if want := "loading the bypass list: " + dir + " is no file, so nothing is kept: name one"; len(told) != 1 || told[0] != want {
		t.Errorf("%q\nwant %s", told, want)
	}
	if err := bypass.New(bypass.Options{}).Close(); err != nil {
		t.Error(err)
	}
}

// TestCannotSave tells that a file cannot be written, and tries again.
func TestCannotSave(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "later")
	file := filepath.Join(dir, "bypass.json")
	synctest.Test(t, func(t *testing.T) {
		told := make(chan error, 10)
		l := bypass.New(bypass.Options{File: file, OnError: func(err error) { told <- err }})
		if _, err := l.Add(bypass.Entry{User: "eve"}); err != nil {
			t.Fatal(err)
		}
		if err := <-told; !strings.HasPrefix(err.Error(), "saving the bypass list: ") || !errors.Is(err, os.ErrNotExist) {
			t.Error(err)
		}
		time.Sleep(time.Hour)
		if len(told) != 0 {
			t.Error("it is told again, and nothing changed")
		}
		if err := l.Close(); !errors.Is(err, os.ErrNotExist) {
			t.Error(err)
		}
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	if n := len(newList(t, bypass.Options{File: file}).Entries()); n != 1 {
		t.Errorf("%d entries", n)
	}
	// A folder in the file's place, made meanwhile, stays.
	l := bypass.New(bypass.Options{File: filepath.Join(dir, "other.json")})
	if err := os.MkdirAll(filepath.Join(dir, "other.json", "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Add(bypass.Entry{User: "eve"}); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err == nil {
		t.Error("a folder was replaced")
	}
	if list, err := filepath.Glob(filepath.Join(dir, ".other*")); err != nil || len(list) != 0 {
		t.Errorf("%v is left over, %v", list, err)
	}
}

func TestLongFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "bypass.json")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(file, 65<<20); err != nil {
		t.Fatal(err)
	}
	var told string
	newList(t, bypass.Options{File: file, OnError: func(err error) { told = err.Error() }})
	if !strings.Contains(told, "it has more than 64 MiB") {
		t.Error(told)
	}
}

// FuzzFile wants what is read to be what is written, and read again.
func FuzzFile(f *testing.F) {
	f.Add([]byte(`{"version": 1, "entries": [{"kind": "added", "name": "*.Example.", "port": 443, "user": "eve", "reason": "x", "uses": 1}]}`))
	f.Add([]byte(`{"version": 1, "entries": [{"kind": "tunnel", "client": "10.0.0.1/32", "address": "192.0.2.1/32", "port": 443, "revision": "r1", "used": "2024-05-06T07:08:09Z"}]}`))
	f.Add([]byte(`{"version": 1, "entries": [{"kind": "rejected", "client": "2001:db8::1/128", "name": "a.example", "expires": "2024-05-06T07:08:09Z"}]}`))
	f.Add([]byte(`{"version": 1}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		entries, err := bypass.Decode(text)
		if err != nil {
			return
		}
		text, err = bypass.Encode(entries)
		if err != nil {
			t.Fatal(err)
		}
		again, err := bypass.Decode(text)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(entries, again, cmpopts.EquateComparable(prefix("::/0")), cmpopts.EquateEmpty()); diff != "" {
			t.Error(diff)
		}
	})
}
