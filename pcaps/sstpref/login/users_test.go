package login_test

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sstpwarden/pcaps/sstpref/login"
)

func TestAdd(t *testing.T) {
	long := strings.Repeat("x", 255)
	for _, tt := range []struct {
		entry, name, password string // name "" for an error
		err                   string
	}{
		{entry: "alice:secret", name: "alice", password: "secret"},
		{entry: "alice:se:cr:et:", name: "alice", password: "se:cr:et:"},
		{entry: "alice:#secret", name: "alice", password: "#secret"},
		{entry: "alice: secret ", name: "alice", password: " secret "},
		{entry: `CORP\alice:secret`, name: `CORP\alice`, password: "secret"},
		{entry: "Åsa Ö:pässwörd", name: "Åsa Ö", password: "pässwörd"},
		{entry: "#alice:secret", name: "#alice", password: "secret"},
		{entry: long + ":" + long, name: long, password: long},
		{entry: "hunter2", err: "no colon between name and password: write NAME:PASSWORD"},
		{entry: "", err: "no colon between name and password: write NAME:PASSWORD"},
		{entry: ":hunter2", err: "the name is empty: write NAME:PASSWORD"},
		{entry: "alice:", err: `the password of "alice" is empty: write NAME:PASSWORD`},
		{entry: " alice:hunter2", err: `the name " alice" begins or ends with a space: write NAME:PASSWORD without spaces around the name`},
		{entry: "alice :hunter2", err: `the name "alice " begins or ends with a space: write NAME:PASSWORD without spaces around the name`},
		{entry: "\u00a0:hunter2", err: "the name \"\\u00a0\" begins or ends with a space: write NAME:PASSWORD without spaces around the name"},
		{entry: "ali\xffce:hunter2", err: "the name is not UTF-8: save it as UTF-8"},
		{entry: "alice:hunter2\xff", err: `the password of "alice" is not UTF-8: save it as UTF-8`},
		{entry: "al\tice:hunter2", err: "the name has a control character, such as a tab: take it out"},
		{entry: "alice:hunter2\x00", err: `the password of "alice" has a control character, such as a tab: take it out`},
		{entry: "alice:hunter2\r", err: `the password of "alice" has a control character, such as a tab: take it out`},
		{entry: long + "x:hunter2", err: "the name has 256 bytes: PPP carries at most 255"},
		{entry: "alice:" + long + "x", err: `the password of "alice" has 256 bytes: PPP carries at most 255`},
		{entry: "bob:hunter2", err: `user "bob" is given twice, the first time with --user: leave one of them out`},
	} {
		u := login.NewUsers()
		if err := u.Add("bob:builder"); err != nil {
			t.Fatal(err)
		}
		err := u.Add(tt.entry)
		if tt.name == "" {
			if err == nil || err.Error() != tt.err {
				t.Errorf("%q: %v\nwant %s", tt.entry, err, tt.err)
			}
			if u.Len() != 1 {
				t.Errorf("%q: %d users", tt.entry, u.Len())
			}
			continue
		}
		if got, ok := u.Password(tt.name); err != nil || !ok || got != tt.password || u.Len() != 2 {
			t.Errorf("%q: %q, %v, %v", tt.entry, got, ok, err)
		}
	}
}

func TestPassword(t *testing.T) {
	u := users(t, "alice:1", `CORP\alice:2`, "bob:3", `A\B\eve:4`)
	for name, want := range map[string]string{
		"alice": "1", `CORP\alice`: "2", `corp\alice`: "1", `OTHER\alice`: "1", `A\B\alice`: "1", `\alice`: "1",
		"bob": "3", `CORP\bob`: "3", `A\B\eve`: "4",
		"Alice": "", "alice ": "", "eve": "", `B\eve`: "", `alice\`: "", "alice@corp": "", "": "", `\`: "",
	} {
		if got, ok := u.Password(name); got != want || ok != (want != "") {
			t.Errorf("%q: %q, %v; want %q", name, got, ok, want)
		}
	}
}

// TestNotPrinted: no way to print Users shows a password.
func TestNotPrinted(t *testing.T) {
	const secret = "correcthorse"
	u := users(t, "alice:"+secret)
	var out strings.Builder
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&out, verb+verb, u, *u)
	}
	text, err := json.Marshal([]any{u, *u})
	if err != nil {
		t.Fatal(err)
	}
	out.Write(text)
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "users", u, "map", []any{*u})
	if s := out.String(); strings.Contains(s, secret) || strings.Contains(s, hex.EncodeToString([]byte(secret))) {
		t.Error(s)
	}
	if got := u.String(); got != "1 users" {
		t.Error(got)
	}
}

func TestReadFile(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       map[string]string
		err        string // %s stands for the file
	}{
		{name: "empty", text: "", want: map[string]string{}},
		{name: "users", text: "alice:secret\nbob:build:er\n", want: map[string]string{"alice": "secret", "bob": "build:er"}},
		{name: "no line end", text: "alice:secret", want: map[string]string{"alice": "secret"}},
		{name: "CRLF", text: "alice:secret\r\n\r\nbob:builder\r\n", want: map[string]string{"alice": "secret", "bob": "builder"}},
		{name: "CR at the end", text: "alice:secret\r", want: map[string]string{"alice": "secret"}},
		{name: "comments", text: "# who\n\n  # and\n \t \nalice:secret # no comment\n#bob:builder\n", want: map[string]string{"alice": "secret # no comment"}},
		{name: "byte order mark", text: "\uFEFFalice:secret\n", want: map[string]string{"alice": "secret"}},
		{name: "byte order mark and comment", text: "\uFEFF# x\nalice:secret\n", want: map[string]string{"alice": "secret"}},
		{name: "UTF-16", text: "\xff\xfea\x00:\x00b\x00", err: "%s is UTF-16: save it as UTF-8"},
		{name: "the other UTF-16", text: "\xfe\xff\x00a\x00:\x00b", err: "%s is UTF-16: save it as UTF-8"},
		{name: "no colon", text: "alice:secret\n\nhunter2\n", err: "%s:3: no colon between name and password: write NAME:PASSWORD"},
		{name: "twice", text: "alice:1\n#\nalice:2\n", err: `%s:3: user "alice" is given twice, the first time in %s:1: leave one of them out`},
		{name: "also an option", text: "zoe:hunter2\n", err: `%s:1: user "zoe" is given twice, the first time with --user: leave one of them out`},
		{
			name: "several mistakes", text: "hunter2\nbob:builder\n :hunter2\n",
			err: "%s:1: no colon between name and password: write NAME:PASSWORD\n" +
				`%s:3: the name " " begins or ends with a space: write NAME:PASSWORD without spaces around the name`,
		},
		{name: "old Mac", text: "alice:hunter2\rbob:builder\r", err: `%s:1: the password of "alice" has a control character, such as a tab: take it out`},
		{name: "large", text: strings.Repeat("#\n", 8<<20) + "#", err: "%s has more than 16777216 bytes: is it a users file?"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "users.txt")
			if err := os.WriteFile(path, []byte(tt.text), 0o600); err != nil {
				t.Fatal(err)
			}
			u := users(t, "zoe:zebra")
			warning, err := u.ReadFile(path)
			if warning != "" {
				t.Error(warning)
			}
			if tt.err != "" {
				want := strings.ReplaceAll(tt.err, "%s", path)
				if err == nil || err.Error() != want {
					t.Errorf("%v\nwant %s", err, want)
				}
				tt.want = nil
			} else if err != nil {
				t.Error(err)
			}
			if u.Len() != len(tt.want)+1 {
				t.Errorf("%d users", u.Len())
			}
			got := map[string]string{}
			for name := range tt.want {
				got[name], _ = u.Password(name)
			}
			if d := cmp.Diff(tt.want, got); tt.want != nil && d != "" {
				t.Errorf("-want +got:\n%s", d)
			}
		})
	}
}

// TestManyMistakes are not all told.
func TestManyMistakes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users.txt")
	if err := os.WriteFile(path, []byte(strings.Repeat("hunter2\n", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := login.NewUsers().ReadFile(path)
	if err == nil || strings.Count(err.Error(), "\n") != 9 || strings.Contains(err.Error(), "hunter2") {
		t.Error(err)
	}
}

func TestUnreadable(t *testing.T) {
	dir := t.TempDir()
	for _, path := range []string{filepath.Join(dir, "none"), dir} {
		_, err := login.NewUsers().ReadFile(path)
		if err == nil || !strings.HasPrefix(err.Error(), "reading users: ") || !strings.Contains(err.Error(), path) {
			t.Error(err)
		}
	}
}

// TestExposed: passwords that others can read are worth a warning.
func TestExposed(t *testing.T) {
	for mode, exposed := range map[os.FileMode]bool{0o600: false, 0o400: false, 0o700: false, 0o640: true, 0o604: true, 0o644: true, 0o620: true, 0o602: true} {
		path := filepath.Join(t.TempDir(), "users.txt")
		if err := os.WriteFile(path, []byte("alice:secret"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		u := login.NewUsers()
		warning, err := u.ReadFile(path)
		want := ""
		if exposed {
			want = fmt.Sprintf("%s may be read or changed by others than its owner (mode %04o), and holds passwords: chmod 600 %s", path, mode, path)
		}
		if warning != want || err != nil || u.Len() != 1 {
			t.Errorf("%v: %q, %v", mode, warning, err)
		}
	}
}

// TestPipe: a file need not be one on a disk.
func TestPipe(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	w.WriteString("alice:secret\n")
	w.Close()
	path := fmt.Sprintf("/dev/fd/%d", r.Fd())
	u := login.NewUsers()
	if warning, err := u.ReadFile(path); warning != "" || err != nil || u.Len() != 1 {
		t.Errorf("%q, %v", warning, err)
	}
}

func TestPasswordConcurrently(t *testing.T) {
	u := users(t, "alice:1", "bob:2")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 100 {
				if p, _ := u.Password(`X\bob`); p != "2" || u.Len() != 2 {
					t.Error(p)
				}
			}
		})
	}
	wg.Wait()
}

// FuzzRead: any file gives users that can be looked up, or mistakes; and a file
// of those users gives them again.
func FuzzRead(f *testing.F) {
	for _, text := range []string{"alice:secret\nbob:b:c\r\n", "# x\n\nalice:secret", "\uFEFFa:b", "\xff\xfea\x00", "a:b\na:c", "x", `D\a:b`, " :", "\uFEFF\uFEFF:a", "a:\x00", "é:ü\n"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		read := func(text []byte) (*login.Users, error) {
			u := login.NewUsers()
			return u, u.Read("users.txt", text)
		}
		u, err := read(text)
		if err != nil {
			if u.Len() != 0 {
				t.Errorf("%d users of a file with mistakes", u.Len())
			}
			return
		}
		var again strings.Builder
		again.WriteString("#\n") // so that no name begins the file: it could look like a byte order mark
		n := 0
		for line := range strings.Lines(strings.TrimPrefix(string(text), "\uFEFF")) {
			line = strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r")
			if name, password, ok := strings.Cut(line, ":"); ok && !strings.HasPrefix(strings.TrimSpace(line), "#") {
				n++
				if got, ok := u.Password(name); !ok || got != password {
					t.Errorf("%q: %q, %v", line, got, ok)
				}
				fmt.Fprintf(&again, "%s:%s\r\n", name, password)
			}
		}
		if u.Len() != n {
			t.Errorf("%d users of %d", u.Len(), n)
		}
		if same, err := read([]byte(again.String())); err != nil || same.Len() != n {
			t.Errorf("%d users again, %v", same.Len(), err)
		}
	})
}

func users(t testing.TB, entries ...string) *login.Users {
	t.Helper()
	u := login.NewUsers()
	for _, e := range entries {
		if err := u.Add(e); err != nil {
			t.Fatal(err)
		}
	}
	return u
}
