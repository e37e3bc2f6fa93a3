package tlskeys

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
)

// maxKeyLogLine bounds what is held of a line. The longest line with a secret
// has 193 bytes; those of ECH_CONFIG may be longer, and are not of use here.
const maxKeyLogLine = 1024

// A SyntaxError is a line of a key log that cannot be read.
type SyntaxError struct {
	Line  int    // counted from 1
	Field string // "line", "label", "client random", "secret", "encrypted pre-master"
	// Problem says what is wrong with the field. It never holds the secret.
	Problem string
	// More is the number of lines after this one that cannot be read either.
	More int
}

func (e *SyntaxError) Error() string {
	s := fmt.Sprintf("tlskeys: key log line %d: %s %s", e.Line, e.Field, e.Problem)
	if e.More > 0 {
		s += fmt.Sprintf(" (and %d more lines)", e.More)
	}
	return s
}

// keyLogLine says how the lines with one label are read.
type keyLogLine struct {
	label  label
	naming string // what the second field is
	prefix int    // its length in bytes
	longer bool   // the secret may have 32 bytes or 48; otherwise it has 48
}

// keyLogLines is the labels that are of use (RFC 9850, Section 2). The secret
// of "RSA" is a pre-master secret, and its line does not name the client
// random but the first bytes of the encrypted secret; NSS wrote it, OpenSSL
// does.
var keyLogLines = map[string]keyLogLine{
	"RSA":                             {0, "encrypted pre-master", 8, false},
	"CLIENT_RANDOM":                   {labelMaster, "client random", 32, false},
	"CLIENT_EARLY_TRAFFIC_SECRET":     {labelClientEarly, "client random", 32, true},
	"CLIENT_HANDSHAKE_TRAFFIC_SECRET": {labelClientHandshake, "client random", 32, true},
	"SERVER_HANDSHAKE_TRAFFIC_SECRET": {labelServerHandshake, "client random", 32, true},
	"CLIENT_TRAFFIC_SECRET_0":         {labelClientApplication, "client random", 32, true},
	"SERVER_TRAFFIC_SECRET_0":         {labelServerApplication, "client random", 32, true},
}

// AddKeyLog adds the secrets of a key log (RFC 9850; the file that browsers,
// curl and OpenSSL write where SSLKEYLOGFILE says) and returns how many lines
// held a secret. Blank lines, comments and labels that are of no use are
// passed over.
//
// A line that cannot be read does not keep those after it from being added:
// the error is then a *[SyntaxError] for the first such line. Where a secret
// is given twice the later line holds.
func (k *Keys) AddKeyLog(r io.Reader) (n int, err error) {
	lines := bufio.NewReaderSize(r, maxKeyLogLine)
	var first *SyntaxError
	for number := 1; ; number++ {
		line, long, err := readLine(lines)
		if number == 1 {
			line = bytes.TrimPrefix(line, []byte("\xef\xbb\xbf")) // Windows editors write it
		}
		added, bad := k.addLine(line, long)
		switch {
		case added:
			n++
		case bad != nil && first == nil:
			bad.Line, first = number, bad
		case bad != nil:
			first.More++
		}
		if err == nil {
			continue
		}
		if !errors.Is(err, io.EOF) {
			return n, fmt.Errorf("reading key log line %d: %w", number, err)
		}
		if first != nil {
			return n, first
		}
		return n, nil
	}
}

// readLine returns the next line, valid until the next call. Of a long line it
// returns the beginning.
func readLine(r *bufio.Reader) (line []byte, long bool, err error) {
	line, err = r.ReadSlice('\n')
	if !errors.Is(err, bufio.ErrBufferFull) {
		return line, false, err
	}
	line = bytes.Clone(line)
	for errors.Is(err, bufio.ErrBufferFull) {
		_, err = r.ReadSlice('\n')
	}
	return line, true, err
}

// addLine adds the secret of one line. Without a secret in it added is false.
func (k *Keys) addLine(line []byte, long bool) (added bool, bad *SyntaxError) {
	fields := bytes.Fields(line)
	if len(fields) == 0 || fields[0][0] == '#' {
		return false, nil
	}
	format, known := keyLogLines[string(fields[0])]
	switch {
	case !isLabel(fields[0]):
		// Not a key log, or one in UTF-16.
		return false, &SyntaxError{Field: "label", Problem: "is not of A-Z, 0-9 and _ (is this a key log?)"}
	case !known:
		return false, nil
	case long:
		return false, &SyntaxError{Field: "line", Problem: fmt.Sprintf("is longer than %d bytes", maxKeyLogLine)}
	case len(fields) != 3:
		return false, &SyntaxError{Field: "line", Problem: fmt.Sprintf("has %d fields, want 3", len(fields))}
	}

	var name [32]byte
	if n, err := decodeHex(name[:], fields[1]); err != nil || n != format.prefix {
		return false, &SyntaxError{Field: format.naming, Problem: fmt.Sprintf("is not %d bytes in hexadecimal", format.prefix)}
	}
	var s secret
	n, err := decodeHex(s.b[:], fields[2])
	if err != nil || n != 48 && (n != 32 || !format.longer) {
		want := "48"
		if format.longer {
			want = "32 or 48"
		}
		return false, &SyntaxError{Field: "secret", Problem: fmt.Sprintf("is not %s bytes in hexadecimal", want)}
	}
	s.n = uint8(n)

	k.mu.Lock()
	defer k.mu.Unlock()
	if format.label == 0 {
		if k.premasters == nil {
			k.premasters = make(map[[8]byte]masterSecret)
		}
		k.premasters[[8]byte(name[:])] = s.b
		return true, nil
	}
	if k.secrets == nil {
		k.secrets = make(map[secretID]secret)
	}
	k.secrets[secretID{name, format.label}] = s
	return true, nil
}

// isLabel reports whether b has only the characters of labels.
func isLabel(b []byte) bool {
	for _, c := range b {
		if (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '_' {
			return false
		}
	}
	return true
}

var errTooLong = errors.New("too long")

// decodeHex decodes src into dst, which may be longer.
func decodeHex(dst, src []byte) (int, error) {
	if hex.DecodedLen(len(src)) > len(dst) {
		return 0, errTooLong
	}
	return hex.Decode(dst, src)
}
