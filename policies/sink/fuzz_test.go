package sink

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"reflect"
	"strings"
	"testing"
	"time"
)

// FuzzFrame holds that a record is one message, whatever stands in it.
func FuzzFrame(f *testing.F) {
	f.Add([]byte(`{"sni":"é😀"}`), []byte("2"))
	f.Add([]byte("\"\x7f\""), []byte(""))
	f.Add([]byte("\n10 <14>1 - - - - - - x"), []byte("\x00\xff\u2028\u202e"))
	f.Fuzz(func(t *testing.T, one, two []byte) {
		o := Options{}
		o.setDefaults()
		q := newQueue(&o, atOnce)
		records := 0
		for _, r := range [][]byte{one, two} {
			if len(r) > 0 {
				q.put(r, time.Unix(1e9, 1e8))
				records++
			}
		}
		if records == 0 {
			return
		}
		b := q.take()
		was := bytes.Clone(b.line(0))
		b.clean()
		format, err := newFormat(&o, false)
		if err != nil {
			t.Fatal(err)
		}
		var stream []byte
		for i := range records {
			stream = format.appendFrame(stream, "tcp", b.times[i], b.line(i))
		}
		r := bufio.NewReader(bytes.NewReader(stream))
		for i := range records {
			text, err := frame(r)
			if err != nil {
				t.Fatal(err)
			}
			if strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r >= 0x7f }) {
				t.Errorf("%q is not printable ASCII", text)
			}
			m := parse(t, text)
			var got, want any
			if i == 0 && json.Valid(was) {
				if json.Unmarshal(was, &want) != nil {
					return // a number that is too great
				}
				if m.Message == nil || json.Unmarshal([]byte(*m.Message), &got) != nil || !reflect.DeepEqual(got, want) {
					t.Errorf("%q became %q", was, text)
				}
			}
		}
		if _, err := r.ReadByte(); err != io.EOF {
			t.Error("something is left over")
		}
	})
}

// FuzzDest holds that destinations are understood or refused, and passwords not
// told.
func FuzzDest(f *testing.F) {
	for _, s := range []string{"syslog://h:1", "syslog:///dev/log", "syslog+tls://[::1]", "https://u:sEcReT@h/x", "http://u:sEcReT@[::1", "ftp://sEcReT@sEcReT@x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, dest string) {
		o := Options{}
		o.setDefaults()
		if scheme, _, ok := strings.Cut(dest, "://"); ok {
			if _, _, err := open(dest, &o); err != nil && !strings.Contains(scheme, "sEcReT") && strings.HasPrefix(dest, scheme+"://u:sEcReT@") && strings.Contains(err.Error(), "sEcReT") {
				t.Error(err)
			}
		}
		redacted(dest)
	})
}
