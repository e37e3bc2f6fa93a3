package tlskeys

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"

	"sstpwarden/inspect/tlswire"
)

// FuzzOpener opens a real connection's first records and then those that the
// fuzzer makes, in the form
//
//	| flags | type | length (2) | fragment |
//
// Flags: 1 from the client, 2 damaged, 4 resynced, 8 the next real record
// instead.
func FuzzOpener(f *testing.F) {
	var all []*recording
	for _, tt := range opensslRecordings {
		all = append(all, load(f, "openssl/"+tt.name+".txt"))
	}
	for i := range all {
		f.Add(uint8(i), uint8(0), []byte{8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8})
		f.Add(uint8(i), uint8(7), []byte{1, 22, 0, 4, 20, 0, 0, 0, 8, 0, 20, 0, 1, 1, 8, 3, 23, 0, 9, 8, 4, 23, 0, 1, 0, 8, 8})
		f.Add(uint8(i), uint8(12), []byte{1, 23, 0, 2, 1, 2, 8, 0, 21, 0, 0, 8, 1, 20, 0, 1, 1, 8, 8})
	}
	f.Fuzz(func(t *testing.T, which, prefix uint8, script []byte) {
		rec := all[int(which)%len(all)]
		k := rec.keys(t)
		if prefix&0x80 != 0 {
			k = &Keys{}
		}
		records := rec.connections[0]
		o := k.NewOpener()
		n := min(int(prefix&0x7F), len(records))
		for _, r := range records[:n] {
			openOne(t, o, r)
		}
		rest := records[n:]
		for len(script) > 0 {
			flags := script[0]
			var r taken
			switch {
			case flags&8 != 0:
				script = script[1:]
				if len(rest) == 0 {
					continue
				}
				r, rest = rest[0], rest[1:]
			case len(script) < 4:
				return
			default:
				length := min(int(binary.BigEndian.Uint16(script[2:])), len(script)-4)
				r = taken{flags&1 != 0, tlswire.Record{
					Type: tlswire.ContentType(script[1]), Version: tlswire.VersionTLS12, Length: length,
					Fragment: script[4 : 4+length], Resynced: flags&4 != 0,
				}}
				if flags&2 != 0 {
					r.Damaged, r.Fragment = true, nil
				}
				script = script[4+length:]
			}
			openOne(t, o, r)
		}
	})
}

// openOne opens a record and checks what holds whatever came before.
func openOne(t *testing.T, o *Opener, r taken) {
	before := bytes.Clone(r.Fragment)
	failed := o.half(r.client).failed
	_, plain, err := o.Open(r.client, r.Record)
	if !bytes.Equal(before, r.Fragment) {
		t.Fatal("the fragment was overwritten")
	}
	var bad *RecordError
	switch {
	case err == nil:
		if failed || len(plain) > len(r.Fragment) {
			t.Errorf("%d bytes of %d, failed before: %v", len(plain), len(r.Fragment), failed)
		}
	case errors.Is(err, ErrNoSecrets):
		if o.Reason() == "" {
			t.Error("no reason")
		}
	case !errors.As(err, &bad):
		t.Errorf("error %v", err)
	}
}
