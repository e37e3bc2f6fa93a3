package access

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/bcrypt"
)

const (
	// loginLifetime is how long a login that succeeded stands for further ones
	// with the same name and password. A browser sends them with every request,
	// and bcrypt takes 50 ms and more of a processor for each.
	loginLifetime = 5 * time.Minute
	// Logins that wait for a processor, in all and by client: at 50 ms each, all
	// of them take some seconds.
	maxLogins       = 256
	maxClientLogins = 32
	// maxPassword is what bcrypt sees of a password.
	maxPassword = 72
)

// Why a login failed, besides a [*LoginLimitError] and the context's own error.
var (
	// ErrCredentials means that there is no such user, or that the password is
	// another.
	ErrCredentials = errors.New("wrong user name or password")
	// ErrBusy means that too many logins wait already. It says nothing of the
	// credentials.
	ErrBusy = errors.New("too many logins at the same time")
)

// Users are those of an htpasswd file with passwords hashed by bcrypt. They are safe
// for concurrent use.
//
// What a login tells, in its outcome and in its time, is the same for an unknown
// user as for a wrong password. Passwords of more than 72 bytes are refused, because
// bcrypt would take them for equal to what they begin with; so are empty ones, and
// those with a NUL byte.
type Users struct {
	path     string
	set      atomic.Pointer[userSet]
	failures *failures
	waiting  *Limiter
	work     chan struct{} // a place is one run of bcrypt
}

// A userSet is what one reading of the file gave.
type userSet struct {
	list  []user
	named map[string]*user
	key   []byte // of the MACs, in which a user's hash is
}

type user struct {
	entry
	last atomic.Pointer[login]
}

// A login is one that succeeded.
type login struct {
	mac [sha256.Size]byte
	at  time.Time
}

// LoadUsers reads an htpasswd file. The error names the line that is wrong, and says
// what to do.
func LoadUsers(path string) (*Users, error) {
	u := &Users{
		path:     path,
		failures: newFailures(maxFailures, failureWindow, maxFailing),
		waiting:  NewLimiter(maxLogins, maxClientLogins),
		work:     make(chan struct{}, 2*runtime.GOMAXPROCS(0)),
	}
	if err := u.Reload(); err != nil {
		return nil, err
	}
	return u, nil
}

// Reload reads the file again. Where that fails, the users stay as they were. After
// it the password of everybody whose hash is another is looked at anew; that of all
// others would keep the processors busy at each SIGHUP.
func (u *Users) Reload() error {
	list, err := readUsers(u.path)
	if err != nil {
		return err
	}
	u.set.Store(newUserSet(list, u.set.Load()))
	return nil
}

// newUserSet makes a set that takes the place of old, nil for none.
func newUserSet(list []entry, old *userSet) *userSet {
	s := &userSet{list: make([]user, len(list)), named: make(map[string]*user, len(list))}
	if old == nil {
		s.key = make([]byte, sha256.Size)
		_, _ = rand.Read(s.key) // does not fail
	} else {
		s.key = old.key
	}
	for i, e := range list {
		s.list[i].entry = e
		s.named[e.name] = &s.list[i]
		if old == nil {
			continue
		}
		if before := old.named[e.name]; before != nil && bytes.Equal(before.hash, e.hash) {
			s.list[i].last.Store(before.last.Load())
		}
	}
	return s
}

// Len is how many users there are.
func (u *Users) Len() int { return len(u.set.Load().list) }

// Login logs in a client of a proxy. A client from whose address too many different
// passwords were wrong is refused with a [*LoginLimitError] until some of that is
// past, whatever it sends. The same wrong password counts once, because a browser
// that remembers an old one sends it many times.
//
// The password is hashed in the caller's goroutine, for some of which it waits until
// ctx is done.
func (u *Users) Login(ctx context.Context, client netip.Addr, name, password string) error {
	from, a := clientOf(client), u.attempt(name, password)
	if done, err := u.settled(from, &a); done {
		return err
	}
	leave, err := u.waiting.Acquire(client)
	if err != nil {
		return ErrBusy
	}
	defer leave()
	select {
	case u.work <- struct{}{}:
		defer func() { <-u.work }()
	case <-ctx.Done():
		return fmt.Errorf("waiting for a login: %w", context.Cause(ctx))
	}
	// Of many at once, the first may have settled it for all.
	if done, err := u.settled(from, &a); done {
		return err
	}
	if !a.compare() {
		u.failures.add(from, a.id(), time.Now())
		return ErrCredentials
	}
	return nil
}

// Verify says whether name and password are a user's. It takes as long for an
// unknown name. It limits nobody, and waits for a processor as long as it takes;
// for clients there is Login.
func (u *Users) Verify(name, password string) bool {
	a := u.attempt(name, password)
	if a.user == nil {
		return false
	}
	if a.remembered() {
		return true
	}
	u.work <- struct{}{}
	defer func() { <-u.work }()
	return a.compare()
}

// settled says what can be said without bcrypt.
func (u *Users) settled(from netip.Addr, a *attempt) (done bool, err error) {
	now := time.Now()
	if wait := u.failures.wait(from, now); wait > 0 {
		return true, &LoginLimitError{Client: from, Failures: u.failures.limit, Window: u.failures.window, Wait: wait}
	}
	if a.user == nil || u.failures.has(from, a.id(), now) {
		return true, ErrCredentials
	}
	return a.remembered(), nil
}

// An attempt is a name and a password to be compared with a user's.
type attempt struct {
	password string
	user     *user // nil if no user can have the password
	known    bool  // user is who was named, not a stand-in
	mac      [sha256.Size]byte
}

func (u *Users) attempt(name, password string) attempt {
	a := attempt{password: password}
	if !possible(password) {
		return a
	}
	set := u.set.Load()
	a.user, a.known = set.named[name]
	if !a.known {
		a.user = set.standIn(name)
	}
	a.mac = set.mac(name, password, string(a.user.hash))
	return a
}

// possible says whether a user can have the password.
func possible(password string) bool {
	if password == "" || len(password) > maxPassword {
		return false
	}
	for i := range len(password) {
		if password[i] == 0 {
			return false
		}
	}
	return true
}

// standIn gives the user whose hash an unknown name is compared with. It is always
// the same for a name, so that the costs of hashes, which may differ, tell nothing.
func (s *userSet) standIn(name string) *user {
	mac := s.mac(name)
	return &s.list[binary.BigEndian.Uint64(mac[:])%uint64(len(s.list))]
}

func (s *userSet) mac(parts ...string) (mac [sha256.Size]byte) {
	h := hmac.New(sha256.New, s.key)
	for _, p := range parts {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(p))))
		h.Write([]byte(p))
	}
	h.Sum(mac[:0])
	return mac
}

// id tells attempts apart.
func (a *attempt) id() uint64 { return binary.BigEndian.Uint64(a.mac[:]) }

// remembered says whether the same login succeeded a short time ago.
func (a *attempt) remembered() bool {
	l := a.user.last.Load()
	return a.known && l != nil && time.Since(l.at) < loginLifetime && hmac.Equal(l.mac[:], a.mac[:])
}

// compare hashes the password. Of each user one login is remembered: only one
// password is his.
func (a *attempt) compare() bool {
	if err := bcrypt.CompareHashAndPassword(a.user.hash, []byte(a.password)); err != nil || !a.known {
		return false
	}
	a.user.last.Store(&login{a.mac, time.Now()})
	return true
}
