package capfile

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"time"
)

// FuzzReader reads anything. What comes out must be packets within the stated
// bounds, then io.EOF or an *Error, and the same however the file is cut into reads.
func FuzzReader(f *testing.F) {
	for _, file := range kinds(f) {
		f.Add(file)
	}
	f.Add(join(section(little), describe(little, 1, 0, option(little, 9, 64)), enhanced(little, 0, 1, 1, "a")))
	f.Add(join(section(big), describe(big, 1, 0, option(big, 9, 0x80|64)), enhanced(big, 0, 1, 1, "a")))
	f.Add(join(section(little), words(little, 10, MaxSecrets, SecretsTLSKeyLog, 0xffffffff)))
	f.Add([]byte("PK\x03\x04"))

	f.Fuzz(func(t *testing.T, file []byte) {
		packets, secrets, err := walk(t, bytes.NewReader(file))
		if err != nil {
			e := asError(t, err)
			if errors.Is(e, ErrFormat) == errors.Is(e, ErrTruncated) {
				t.Errorf("%v is not one of ErrFormat and ErrTruncated", e)
			}
			if e.Packet != packets+1 {
				t.Errorf("got packet %d in the error after %d packets", e.Packet, packets)
			}
		}
		packets2, secrets2, err2 := walk(t, io.MultiReader(bytes.NewReader(file[:len(file)/3]), bytes.NewReader(file[len(file)/3:])))
		if packets != packets2 || secrets != secrets2 || (err == nil) != (err2 == nil) || err != nil && err.Error() != err2.Error() {
			t.Errorf("got %d packets, %d bytes of secrets and %v, but in two pieces %d, %d and %v", packets, secrets, err, packets2, secrets2, err2)
		}
	})
}

// walk reads src to its end and checks each packet.
func walk(t *testing.T, src io.Reader) (packets uint64, secrets int, err error) {
	r, err := NewReader(src, "fuzz", Options{OnSecrets: func(_ uint32, data []byte) { secrets += len(data) }})
	if err != nil {
		return 0, 0, err
	}
	defer func() { _ = r.Close() }()
	offset := int64(-1)
	for {
		p, err := r.Next()
		if err != nil {
			if _, again := r.Next(); !errors.Is(again, err) {
				t.Errorf("got %v, then %v", err, again)
			}
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return packets, secrets, err
		}
		packets++
		if p.Number != packets || p.Offset <= offset || len(p.Data) > MaxPacket || p.Length < len(p.Data) {
			t.Fatalf("packet %d: number %d at %d after %d, %d bytes of %d", packets, p.Number, p.Offset, offset, len(p.Data), p.Length)
		}
		if !p.Time.IsZero() && (p.Time.Unix() < 0 || p.Time.Year() > 9999 || p.Time.Location() != time.UTC) {
			t.Fatalf("packet %d: time %v", packets, p.Time)
		}
		offset = p.Offset
	}
}
