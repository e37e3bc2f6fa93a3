package tlskeys

import (
	"crypto/rsa"
	"crypto/sha256"
	"sync"
)

// Keys is the secrets that are known. The zero value knows none and is ready
// for use. All methods may be called by several goroutines at once; a secret
// that is added while a connection is being opened is seen by that connection
// if it comes before the first record which needs it.
//
// Its size is that of the key logs it was given: about 100 bytes a line.
// A Keys must not be copied.
type Keys struct {
	mu      sync.RWMutex
	secrets map[secretID]secret
	// premasters holds pre-master secrets by the first eight bytes of the
	// message that carried them, encrypted: so an "RSA" line names it.
	premasters map[[8]byte]masterSecret
	rsa        []*rsa.PrivateKey
	sessions   sessions
	derived    sessions // by client random: those of connections opened without a line of their own
	under      *Keys    // asked where this one knows nothing; nil for none
}

// Derive returns Keys that know what k knows and take more without telling k:
// secrets that stand in one capture, sessions that were seen in it.
func (k *Keys) Derive() *Keys { return &Keys{under: k} }

// A label says what a secret is for. The names are those of the key log.
type label uint8

const (
	labelMaster            label = iota + 1 // CLIENT_RANDOM: TLS 1.0 to 1.2
	labelClientEarly                        // CLIENT_EARLY_TRAFFIC_SECRET
	labelClientHandshake                    // CLIENT_HANDSHAKE_TRAFFIC_SECRET
	labelServerHandshake                    // SERVER_HANDSHAKE_TRAFFIC_SECRET
	labelClientApplication                  // CLIENT_TRAFFIC_SECRET_0
	labelServerApplication                  // SERVER_TRAFFIC_SECRET_0
)

// String returns the label as it stands in a key log.
func (l label) String() string {
	for name, line := range keyLogLines {
		if line.label == l {
			return name
		}
	}
	return "secret"
}

// secretID names a secret: the random of the ClientHello, and its use.
type secretID struct {
	random [32]byte
	label  label
}

// masterSecretLength is the length of both a pre-master secret sent with RSA
// and a master secret (RFC 5246, Sections 7.4.7.1 and 8.1).
const masterSecretLength = 48

type masterSecret = [masterSecretLength]byte

// A secret is 32 bytes (SHA-256) or 48 (SHA-384, and master secrets). It is
// held without a pointer so that a large key log costs the collector nothing.
type secret struct {
	n uint8
	b [48]byte
}

func (s *secret) bytes() []byte { return s.b[:s.n] }

// secret returns the secret for a client random; ok is false if it is not
// known.
func (k *Keys) secret(random [32]byte, l label) (s secret, ok bool) {
	k.mu.RLock()
	s, ok = k.secrets[secretID{random, l}]
	k.mu.RUnlock()
	if !ok && k.under != nil {
		return k.under.secret(random, l)
	}
	return s, ok
}

// hasRSA reports whether a pre-master secret sent with RSA may be found.
func (k *Keys) hasRSA() bool {
	k.mu.RLock()
	has := len(k.rsa) > 0 || len(k.premasters) > 0
	k.mu.RUnlock()
	return has || k.under != nil && k.under.hasRSA()
}

// premaster decrypts the pre-master secret of a ClientKeyExchange message,
// or looks it up.
func (k *Keys) premaster(encrypted []byte) (p masterSecret, ok bool) {
	k.mu.RLock()
	keys := k.rsa // only ever appended to
	if len(encrypted) >= 8 {
		p, ok = k.premasters[[8]byte(encrypted)]
	}
	k.mu.RUnlock()
	if ok {
		return p, true
	}
	for _, key := range keys {
		// Without options Decrypt removes the padding of PKCS #1 v1.5, the
		// one that TLS uses. A wrong key leaves no such padding.
		b, err := key.Decrypt(nil, encrypted, nil)
		if err == nil && len(b) == masterSecretLength {
			return masterSecret(b), true
		}
	}
	if k.under != nil {
		return k.under.premaster(encrypted)
	}
	return p, false
}

// maxSessions bounds the sessions that may be resumed later. Clients resume
// within hours at most.
const maxSessions = 4096

// sessionID names a session: one that may be resumed by the digest of its
// identifier or of a ticket, one that was opened by its client random.
type sessionID [sha256.Size]byte

// sessions holds the master secrets of the last maxSessions sessions.
type sessions struct {
	masters map[sessionID]masterSecret
	order   []sessionID // a ring once it is full; next is the oldest
	next    int
}

func (k *Keys) rememberSession(id []byte, master masterSecret) {
	if len(id) == 0 {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.sessions.remember(sha256.Sum256(id), master)
}

// rememberDerived notes a master secret for KeyLogFor.
func (k *Keys) rememberDerived(random [32]byte, master masterSecret) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.derived.remember(random, master)
}

func (s *sessions) remember(key sessionID, master masterSecret) {
	if s.masters == nil {
		s.masters = make(map[sessionID]masterSecret)
	}
	if _, ok := s.masters[key]; !ok {
		if len(s.order) < maxSessions {
			s.order = append(s.order, key)
		} else {
			delete(s.masters, s.order[s.next])
			s.order[s.next] = key
			s.next = (s.next + 1) % maxSessions
		}
	}
	s.masters[key] = master
}

func (k *Keys) resumeSession(id []byte) (master masterSecret, ok bool) {
	if len(id) == 0 {
		return master, false
	}
	k.mu.RLock()
	defer k.mu.RUnlock()
	master, ok = k.sessions.masters[sessionID(sha256.Sum256(id))]
	return master, ok
}
