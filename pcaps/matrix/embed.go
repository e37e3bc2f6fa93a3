package matrix

import (
	"bufio"
	"errors"
	"io"
	"os"
	"slices"
	"strings"

	"sstpwarden/pcaps/capfile"
)

// embed writes the packets of a capture to another, a pcapng file with the secrets of a
// key log: what an engine that opens TLS can read without being told of the key log.
func embed(from, keyLog, to string) (err error) {
	secrets, err := os.ReadFile(keyLog)
	if err != nil {
		return err
	}
	r, err := capfile.Open(from, capfile.Options{})
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }() // it was only read
	out, err := os.OpenFile(to, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	buffered := bufio.NewWriter(out)
	w, err := capfile.NewWriter(buffered, capfile.Section{})
	if err != nil {
		return err
	}
	if err := w.Secrets(capfile.SecretsTLSKeyLog, secrets); err != nil {
		return err
	}
	interfaces := map[capfile.LinkType]uint32{}
	for {
		p, err := r.Next()
		if errors.Is(err, io.EOF) {
			return buffered.Flush()
		}
		if err != nil {
			return err
		}
		id, has := interfaces[p.Link]
		if !has {
			const nanoseconds = 9
			if id, err = w.Interface(capfile.Interface{Link: p.Link, SnapLen: capfile.MaxPacket, Resolution: nanoseconds}); err != nil {
				return err
			}
			interfaces[p.Link] = id
		}
		if err := w.Packet(id, uint64(p.Time.UnixNano()), p.Data, p.Length); err != nil {
			return err
		}
	}
}

// opens says whether an engine is given the secrets.
func (e *Engine) opens() bool {
	return slices.ContainsFunc(e.Command, func(word string) bool { return strings.Contains(word, "{keyed}") })
}
