package access_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sstpwarden/proxy/access"

	"golang.org/x/crypto/bcrypt"
)

var (
	home   = netip.MustParseAddr("192.0.2.7")
	office = netip.MustParseAddr("192.0.2.8")
)

// hash gives a cheap hash in the form of htpasswd.
func hash(t testing.TB, password string) string {
	t.Helper()
	h, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Replace(string(h), "$2a$", "$2y$", 1)
}

// write writes an htpasswd file.
func write(t testing.TB, path string, lines ...string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
}

// load makes users of name and password.
func load(t testing.TB, credentials ...string) (u *access.Users, path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "users")
	var lines []string
	for i := 0; i < len(credentials); i += 2 {
		lines = append(lines, credentials[i]+":"+hash(t, credentials[i+1]))
	}
	write(t, path, lines...)
	u, err := access.LoadUsers(path)
	if err != nil {
		t.Fatal(err)
	}
	return u, path
}

func TestLogin(t *testing.T) {
	long := strings.Repeat("p", 72)
	u, _ := load(t, "alice", "secret", "bob", "päss wörd:!", "carol", long, "dave", "p")
	if u.Len() != 4 {
		t.Errorf("%d users", u.Len())
	}
	for i, tt := range []struct {
		name, password string
		want           bool
	}{
		{"alice", "secret", true},
		{"alice", "secret", true},
		{"bob", "päss wörd:!", true},
		{"carol", long, true},
		{"carol", long + "p", false}, // bcrypt would take it
		{"alice", "Secret", false},
		{"alice", "secret ", false},
		{"alice", "secret\x00", false},
		{"dave", "p\x00p", false}, // bcrypt repeats its key, with a NUL between
		{"alice", "", false},
		{"Alice", "secret", false},
		{"bob", "secret", false},
		{"eve", "secret", false},
		{"", "", false},
		{"alice:secret", "secret", false},
	} {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			if got := u.Verify(tt.name, tt.password); got != tt.want {
				t.Errorf("Verify(%q, %q) = %v", tt.name, tt.password, got)
			}
			err := u.Login(t.Context(), home, tt.name, tt.password)
			if tt.want && err != nil || !tt.want && !errors.Is(err, access.ErrCredentials) {
				t.Errorf("Login(%q, %q) = %v", tt.name, tt.password, err)
			}
		})
	}
}

// TestHashes reads hashes that others made.
func TestHashes(t *testing.T) {
	// From the self-test of Openwall's crypt_blowfish, wrapper.c.
	const vector = "05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"
	path := filepath.Join(t.TempDir(), "users")
	write(t, path, "\ufeff# who may", "", "a:$2a$"+vector+"\r", "b:$2b$"+vector+" \t", "y:$2y$"+vector, "  ")
	u, err := access.LoadUsers(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a", "b", "y"} {
		if !u.Verify(name, "U*U") || u.Verify(name, "U*U*") {
			t.Error(name)
		}
	}
}

func TestLoadUsers(t *testing.T) {
	good := "alice:" + hash(t, "secret")
	for _, tt := range []struct{ text, want string }{
		{"", "F names nobody, so that nobody could log in: add a user with `htpasswd -B F NAME`"},
		{"# alice\n", "F names nobody"},
		{good + "\nbob", "F:2: there is no colon: want NAME:HASH, as `htpasswd -B` writes it"},
		{good + "\n:x", "F:2: there is no name before the colon"},
		{good + "\n\n" + good, `F:3: "alice" is on line 1 already: take one of the two out`},
		{strings.Repeat("n", 256) + ":x", "F:1: a name of 256 bytes: want 255 at most"},
		{"a\x1b[2Jb:x", `F:1: the name "a\x1b[2Jb" has control characters`},
		{"bob:", "F:1: the password of \"bob\" is missing, and only bcrypt is accepted: make it anew with `htpasswd -B F bob`"},
		{"bob:hunter2", "F:1: the password of \"bob\" is plain text or a hash of crypt, and only bcrypt is accepted: make it anew with `htpasswd -B F bob`"},
		{"bob:rqXexS6ZhobKA", "plain text or a hash of crypt"},
		{"bob:$apr1$lZL6V/ci$eIMz/iKDkbtys/uU7LEK00", "an MD5 hash"},
		{"bob:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=", "a SHA-1 hash"},
		{"bob:$6$salt$hash", "a SHA-2 hash of crypt"},
		{"bob:$2x$05$" + strings.Repeat("C", 53), "a damaged hash"},
		{good[:len(good)-1], "a damaged hash"},
		{good + "x", "a damaged hash"},
		{good + ":extra", "a damaged hash"},
		{good[:len(good)-1] + "ü", "a damaged hash"},
		{"two words:x", "`htpasswd -B F \"two words\"`"},
		{"bob:$2y$17$" + strings.Repeat("C", 53), "F:1: the hash of \"bob\" has cost 17: want 4 to 16, of which 16 takes seconds a login; make it anew with `htpasswd -B -C 10 F bob`"},
		{"bob:$2y$03$" + strings.Repeat("C", 53), "has cost 03"},
		{"bob:$2y$32$" + strings.Repeat("C", 53), "has cost 32"},
		{strings.Repeat("#", 5000), "F: a line has more than 4096 characters: is it an htpasswd file?"},
	} {
		path := filepath.Join(t.TempDir(), "users")
		if err := os.WriteFile(path, []byte(tt.text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := access.LoadUsers(path)
		if err == nil || !strings.HasPrefix(err.Error(), "loading users: ") || !strings.Contains(strings.ReplaceAll(err.Error(), path, "F"), tt.want) {
			t.Errorf("%q: %v\nwant %s", tt.text, err, tt.want)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%v tells a password", err)
		}
	}
	if _, err := access.LoadUsers(filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	if _, err := access.LoadUsers(t.TempDir()); err == nil {
		t.Error("a folder is loaded")
	}
	path := filepath.Join(t.TempDir(), "users")
	if err := os.WriteFile(path, make([]byte, 33<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := access.LoadUsers(path); err == nil || !strings.Contains(err.Error(), "more than 32 MiB") {
		t.Error(err)
	}
}

func TestReload(t *testing.T) {
	u, path := load(t, "alice", "old")
	if err := u.Login(t.Context(), home, "alice", "old"); err != nil {
		t.Fatal(err)
	}
	if err := u.Login(t.Context(), home, "alice", "new"); !errors.Is(err, access.ErrCredentials) {
		t.Fatal(err)
	}
	write(t, path, "alice")
	if err := u.Reload(); err == nil {
		t.Error("a damaged file is loaded")
	}
	if err := u.Login(t.Context(), home, "alice", "old"); err != nil {
		t.Errorf("users are gone: %v", err)
	}
	write(t, path, "alice:"+hash(t, "new"), "bob:"+hash(t, "secret"))
	if err := u.Reload(); err != nil {
		t.Fatal(err)
	}
	if err := u.Login(t.Context(), home, "alice", "old"); !errors.Is(err, access.ErrCredentials) {
		t.Errorf("what was remembered still counts: %v", err)
	}
	if err := u.Login(t.Context(), home, "alice", "new"); err != nil {
		t.Errorf("what was wrong is still taken for wrong: %v", err)
	}
	write(t, path, "bob:"+hash(t, "secret"))
	if err := u.Reload(); err != nil {
		t.Fatal(err)
	}
	if u.Verify("alice", "new") {
		t.Error("alice is gone, and logs in")
	}
}

// TestRemembered wants a login that succeeded to need no place where passwords are
// hashed, for as long as it is said to.
func TestRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u, path := load(t, "alice", "secret", "bob", "secret")
		login := func(name, password string) error {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			return u.Login(ctx, home, name, password)
		}
		if err := login("alice", "secret"); err != nil {
			t.Fatal(err)
		}
		free := u.Occupy()
		time.Sleep(5*time.Minute - time.Nanosecond)
		if err := login("alice", "secret"); err != nil {
			t.Errorf("alice is not remembered: %v", err)
		}
		if !u.Verify("alice", "secret") {
			t.Error("alice is not remembered")
		}
		for _, name := range []string{"bob", "eve"} {
			if err := login(name, "secret"); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s: %v", name, err)
			}
		}
		time.Sleep(time.Nanosecond)
		if err := login("alice", "secret"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("alice is remembered for too long: %v", err)
		}
		free()
		if err := login("alice", "secret"); err != nil {
			t.Fatal(err)
		}
		if err := u.Reload(); err != nil {
			t.Fatal(err)
		}
		free = u.Occupy()
		if err := login("alice", "secret"); err != nil {
			t.Errorf("a reload that changed nothing forgot alice: %v", err)
		}
		free()
		write(t, path, "alice:"+hash(t, "secret"))
		if err := u.Reload(); err != nil {
			t.Fatal(err)
		}
		free = u.Occupy()
		if err := login("alice", "secret"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("alice is remembered beyond a change of her hash: %v", err)
		}
		free()
		if n := u.Waiting(); n != 0 {
			t.Errorf("%d logins are under way", n)
		}
	})
}

// TestUnknown wants a password for somebody unknown to be compared with the hash of
// some user, always the same.
func TestUnknown(t *testing.T) {
	u, _ := load(t, "alice", "a", "bob", "b", "carol", "c")
	seen := map[string]bool{}
	for i := range 100 {
		name := fmt.Sprint("nobody", i)
		user, known := u.StandIn(name)
		again, _ := u.StandIn(name)
		if known || user != again {
			t.Errorf("%s: %s, then %s, known: %v", name, user, again, known)
		}
		seen[user] = true
	}
	if len(seen) != 3 {
		t.Errorf("only %v stand in", seen)
	}
	if user, known := u.StandIn("bob"); user != "bob" || !known {
		t.Errorf("%s stands in for bob", user)
	}
	// The stand-in's own password opens nothing.
	for i := range 20 {
		for _, password := range []string{"a", "b", "c"} {
			if u.Verify(fmt.Sprint("nobody", i), password) {
				t.Error("somebody unknown logs in")
			}
		}
	}
}

func TestLoginLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u, _ := load(t, "alice", "secret")
		for range 1000 { // a browser with an old password
			if err := u.Login(t.Context(), home, "alice", "old"); !errors.Is(err, access.ErrCredentials) {
				t.Fatal(err)
			}
		}
		if err := u.Login(t.Context(), home, "alice", "secret"); err != nil {
			t.Fatalf("one wrong password: %v", err)
		}
		for i := range 19 {
			time.Sleep(time.Second)
			if err := u.Login(t.Context(), home, fmt.Sprint("user", i), "guess"); !errors.Is(err, access.ErrCredentials) {
				t.Fatal(err)
			}
		}
		err := u.Login(t.Context(), home, "alice", "secret")
		limit, ok := errors.AsType[*access.LoginLimitError](err)
		if want := "too many failed logins from 192.0.2.7: 20 within 10m0s; next try in 9m41s"; !ok || err.Error() != want || limit.Wait != 10*time.Minute-19*time.Second {
			t.Errorf("%v\nwant %s", err, want)
		}
		if err := u.Login(t.Context(), home, "user1", "guess"); err == nil || errors.Is(err, access.ErrCredentials) {
			t.Errorf("the limit is not for what failed before: %v", err)
		}
		if err := u.Login(t.Context(), office, "alice", "secret"); err != nil {
			t.Errorf("another client is refused: %v", err)
		}
		time.Sleep(limit.Wait)
		if err := u.Login(t.Context(), home, "alice", "secret"); err != nil {
			t.Errorf("the first failure is past: %v", err)
		}
		if err := u.Login(t.Context(), home, "alice", "old"); !errors.Is(err, access.ErrCredentials) {
			t.Error(err)
		}
		if err := u.Login(t.Context(), home, "alice", "secret"); err == nil {
			t.Error("another failure does not count")
		}
		time.Sleep(10 * time.Minute)
		if err := u.Login(t.Context(), office, "x", "y"); !errors.Is(err, access.ErrCredentials) {
			t.Error(err)
		}
		if err := u.Login(t.Context(), home, "alice", "secret"); err != nil {
			t.Errorf("all is past: %v", err)
		}
	})
}

// TestLoginLimitOfNetworks counts a client of IPv6 by its first 64 bits.
func TestLoginLimitOfNetworks(t *testing.T) {
	u, _ := load(t, "alice", "secret")
	addr := func(i int) netip.Addr {
		return netip.MustParseAddr(fmt.Sprintf("2001:db8::%x", i+1))
	}
	for i := range 20 {
		if err := u.Login(t.Context(), addr(i), "alice", fmt.Sprint(i)); !errors.Is(err, access.ErrCredentials) {
			t.Fatal(err)
		}
	}
	err := u.Login(t.Context(), addr(20), "alice", "secret")
	if e, ok := errors.AsType[*access.LoginLimitError](err); !ok || !strings.Contains(e.Error(), "from 2001:db8::/64") {
		t.Error(err)
	}
	if err := u.Login(t.Context(), netip.MustParseAddr("2001:db8:0:1::1"), "alice", "secret"); err != nil {
		t.Error(err)
	}
}

// TestBusy lets no client have all places, and neither all of them together more than
// there are; those who are remembered need none.
func TestBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u, _ := load(t, "alice", "secret")
		if err := u.Login(t.Context(), home, "alice", "secret"); err != nil {
			t.Fatal(err)
		}
		free := u.Occupy()
		ctx, cancel := context.WithCancelCause(t.Context())
		var wg sync.WaitGroup
		for c := range 10 {
			for i := range 33 {
				wg.Go(func() {
					err := u.Login(ctx, netip.AddrFrom4([4]byte{10, 0, 0, byte(c)}), "alice", fmt.Sprint(i))
					if err == nil {
						t.Error("somebody logs in")
					}
				})
			}
			synctest.Wait()
			if want := min(32*(c+1), 256); u.Waiting() != want {
				t.Fatalf("%d wait, want %d", u.Waiting(), want)
			}
		}
		if err := u.Login(ctx, office, "alice", "other"); !errors.Is(err, access.ErrBusy) {
			t.Error(err)
		}
		if err := u.Login(ctx, office, "alice", "secret"); err != nil {
			t.Errorf("alice is not let in beside a flood: %v", err)
		}
		cause := errors.New("the client is gone")
		cancel(cause)
		wg.Wait()
		if err := u.Login(ctx, office, "alice", "other"); !errors.Is(err, cause) {
			t.Error(err)
		}
		free()
		if u.Waiting() != 0 {
			t.Errorf("%d still wait", u.Waiting())
		}
	})
}

// TestManyAtOnce has a browser open many connections with one password.
func TestManyAtOnce(t *testing.T) {
	u, path := load(t, "alice", "secret", "bob", "other")
	var wg sync.WaitGroup
	for i := range 64 {
		wg.Go(func() {
			client := netip.AddrFrom4([4]byte{10, 0, 0, byte(i % 4)})
			if err := u.Login(t.Context(), client, "alice", "secret"); err != nil {
				t.Error(err)
			}
			if err := u.Login(t.Context(), client, "bob", "secret"); !errors.Is(err, access.ErrCredentials) {
				t.Error(err)
			}
		})
		if i == 32 {
			wg.Go(func() {
				if err := u.Reload(); err != nil {
					t.Errorf("%s: %v", path, err)
				}
			})
		}
	}
	wg.Wait()
}

func TestFailuresAreBounded(t *testing.T) {
	if n := access.FloodFailures(1_000_000, 500); n != 500 {
		t.Errorf("%d clients are remembered", n)
	}
}

func BenchmarkLoginRemembered(b *testing.B) {
	u, _ := load(b, "alice", "secret")
	b.ReportAllocs()
	for b.Loop() {
		if err := u.Login(b.Context(), home, "alice", "secret"); err != nil {
			b.Fatal(err)
		}
	}
}

func FuzzParseUsers(f *testing.F) {
	const good = "alice:$2y$04$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"
	for _, s := range []string{"", good, "# x\r\n\n" + good + "\n" + good, ":\n", "a:b:c", good + "\x00", "\ufeff" + good} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		names, err := access.ParseUsers("users", text)
		if err == nil && len(names) == 0 {
			t.Error("nobody is taken for somebody")
		}
		for _, name := range names {
			if name == "" || strings.ContainsAny(name, ":\n\x00") {
				t.Errorf("name %q", name)
			}
		}
		if err != nil && strings.ContainsFunc(err.Error(), func(r rune) bool { return r < ' ' }) {
			t.Errorf("%q has control characters", err)
		}
	})
}
