package matrix

import (
	"bytes"
	"encoding/hex"
	"strings"
	"sync"
)

// secrets takes a key log and gives single secrets of TLS 1.3 out of it.
type secrets struct {
	mu   sync.Mutex
	line []byte
	have map[string][]byte // by label
}

func newSecrets() *secrets { return &secrets{have: map[string][]byte{}} }

// Write takes lines of a key log (the NSS format). It never fails.
func (s *secrets) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.line = append(s.line, b...)
	for {
		i := bytes.IndexByte(s.line, '\n')
		if i < 0 {
			return len(b), nil
		}
		fields := strings.Fields(string(s.line[:i]))
		s.line = s.line[i+1:]
		if len(fields) != 3 {
			continue
		}
		if secret, err := hex.DecodeString(fields[2]); err == nil {
			s.have[fields[0]] = secret
		}
	}
}

// get returns the secret of that label, nil where it is not known yet.
func (s *secrets) get(label string) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.have[label]
}
