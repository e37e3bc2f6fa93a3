package capfile

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/gopacket/pcapgo"
)

var end = option(little, optEndOfOpt)

// TestWriter holds what is written against files put together by hand.
func TestWriter(t *testing.T) {
	for _, test := range []struct {
		name  string
		write func(*Writer) error
		want  []byte
	}{
		{"nothing", func(*Writer) error { return nil }, nil},
		{
			"packets", func(w *Writer) error {
				id, err := w.Interface(Interface{Link: LinkTypeEthernet, SnapLen: 96, Resolution: 9})
				return errors.Join(err, w.Packet(id, 1<<32|7, []byte("abcde"), 60), w.Packet(id, 8, nil, 0), w.Packet(id, 9, []byte("abcd"), 1))
			},
			join(describe(little, 1, 96, option(little, 9, 9), end), enhanced(little, 0, 1<<32|7, 60, "abcde"), enhanced(little, 0, 8, 0, ""),
				enhanced(little, 0, 9, 4, "abcd")),
		},
		{
			"secrets", func(w *Writer) error { return w.Secrets(SecretsTLSKeyLog, []byte("keys\n")) },
			secrets(little, SecretsTLSKeyLog, "keys\n"),
		},
		{
			"interfaces", func(w *Writer) error {
				_, err := w.Interface(Interface{Link: LinkTypeLinuxSLL2, Resolution: 0x80 | 20, Offset: -2})
				id, err2 := w.Interface(Interface{Link: LinkTypeRaw, Resolution: 6})
				return errors.Join(err, err2, w.Packet(id, 1, []byte("a"), 1), w.Packet(0, 2, []byte("b"), 1))
			},
			join(describe(little, 276, 0, option(little, 9, 0x80|20), option(little, 14, 0xfe, 255, 255, 255, 255, 255, 255, 255), end),
				describe(little, 101, 0, option(little, 9, 6), end), enhanced(little, 1, 1, 1, "a"), enhanced(little, 0, 2, 1, "b")),
		},
		{
			"simple packets", func(w *Writer) error {
				_, err := w.Interface(Interface{Link: LinkTypeEthernet, SnapLen: 3, Resolution: 6})
				return errors.Join(err, w.SimplePacket([]byte("abc"), 60), w.SimplePacket([]byte("ab"), 2))
			},
			join(describe(little, 1, 3, option(little, 9, 6), end), simple(little, 60, "abc"), simple(little, 2, "ab")),
		},
		{
			"another section", func(w *Writer) error {
				_, err := w.Interface(Interface{Link: LinkTypeEthernet, Resolution: 6})
				err = errors.Join(err, w.Section(Section{Comment: "two", Application: "test"}))
				id, err2 := w.Interface(Interface{Link: LinkTypeRaw, Resolution: 6})
				return errors.Join(err, err2, w.Packet(id, 1, []byte("a"), 1))
			},
			join(describe(little, 1, 0, option(little, 9, 6), end),
				block(little, blockSectionHeader, section(little)[8:24], option(little, 1, []byte("two")...), option(little, 4, []byte("test")...), end),
				describe(little, 101, 0, option(little, 9, 6), end), enhanced(little, 0, 1, 1, "a")),
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			var file bytes.Buffer
			w, err := NewWriter(&file, Section{})
			if err := errors.Join(err, test.write(w)); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(join(section(little), test.want), file.Bytes()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if _, err := readAll(file.Bytes(), Options{OnSecrets: func(uint32, []byte) {}}); err != nil {
				t.Errorf("reading it: %v", err)
			}
		})
	}
}

func TestWriterRefuses(t *testing.T) {
	long := make([]byte, MaxPacket+1)
	for _, test := range []struct {
		name  string
		write func(*Writer) error
		want  string
	}{
		{"comment", func(w *Writer) error { return w.Section(Section{Comment: strings.Repeat("x", 1<<16)}) }, "65536 bytes"},
		{"no interface", func(w *Writer) error { return w.Packet(0, 0, nil, 0) }, "interface 0"},
		{"interface of the section before", func(w *Writer) error {
			_, err := w.Interface(Interface{})
			return errors.Join(err, w.Section(Section{}), w.Packet(0, 0, nil, 0))
		}, "interface 0"},
		{"no interface of a simple packet", func(w *Writer) error { return w.SimplePacket(nil, 0) }, "no interface"},
		{"simple packet that was cut", func(w *Writer) error {
			_, err := w.Interface(Interface{})
			return errors.Join(err, w.SimplePacket([]byte("a"), 2))
		}, "makes it 2 of 2"},
		{"long packet", func(w *Writer) error {
			_, err := w.Interface(Interface{})
			return errors.Join(err, w.Packet(0, 0, long, 0))
		}, "262145 bytes"},
		{"secrets", func(w *Writer) error { return w.Secrets(1, make([]byte, MaxSecrets-blockOverhead-8-2)) }, "more than a file may have"},
		{"interfaces", func(w *Writer) error {
			for range maxInterfaces {
				if _, err := w.Interface(Interface{}); err != nil {
					return err
				}
			}
			_, err := w.Interface(Interface{})
			return err
		}, "65536 interfaces"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w, err := NewWriter(io.Discard, Section{})
			if err != nil {
				t.Fatal(err)
			}
			if err = test.write(w); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want an error with %q", err, test.want)
			}
			if again := w.Section(Section{}); again == nil || !strings.Contains(err.Error(), again.Error()) {
				t.Errorf("then %v", again)
			}
		})
	}
}

// A failing writes so many bytes.
type failing struct{ left int }

var errFull = errors.New("full")

func (f *failing) Write(b []byte) (int, error) {
	if len(b) > f.left {
		return 0, errFull
	}
	f.left -= len(b)
	return len(b), nil
}

// TestWriterFails lets each write fail.
func TestWriterFails(t *testing.T) {
	write := func(out io.Writer) error {
		w, err := NewWriter(out, Section{Comment: "x"})
		if err != nil {
			return err
		}
		if err := w.Secrets(SecretsTLSKeyLog, []byte("keys")); err != nil {
			return err
		}
		id, err := w.Interface(Interface{})
		if err != nil {
			return err
		}
		return w.Packet(id, 1, []byte("abc"), 3)
	}
	var whole bytes.Buffer
	if err := write(&whole); err != nil {
		t.Fatal(err)
	}
	for n := range whole.Len() {
		if err := write(&failing{n}); !errors.Is(err, errFull) {
			t.Errorf("full after %d bytes: got %v", n, err)
		}
	}
}

// TestWriterOthers has what is written read by others.
func TestWriterOthers(t *testing.T) {
	var file bytes.Buffer
	w, err := NewWriter(&file, Section{Comment: "a comment", Application: "test"})
	id, err2 := w.Interface(Interface{Link: LinkTypeEthernet, Resolution: 9})
	if err := errors.Join(err, err2, w.Packet(id, 1700000000_123456789, []byte("abcde"), 60)); err != nil {
		t.Fatal(err)
	}
	r, err := pcapgo.NewNgReader(&file, pcapgo.DefaultNgReaderOptions)
	if err != nil {
		t.Fatal(err)
	}
	data, info, err := r.ReadPacketData()
	if err != nil {
		t.Fatal(err)
	}
	if string(data) != "abcde" || info.Length != 60 || !info.Timestamp.Equal(at(1700000000, 123456789)) {
		t.Errorf("got %q, %+v", data, info)
	}
	if s := r.SectionInfo(); s.Comment != "a comment" || s.Application != "test" {
		t.Errorf("got %+v", s)
	}
}

// TestOrigin writes every kind of packet again, as it stood.
func TestOrigin(t *testing.T) {
	for _, test := range []struct {
		name string
		file []byte
		want []Origin
	}{
		{
			"pcap", join(pcapHeader(little, micros, 1), record(little, 5, 6, 4, "abcd"), record(little, 5, 1_000_006, 4, "abcd")),
			[]Origin{{Interface{LinkTypeEthernet, 65535, 6, 0}, 0, 5_000_006, true}, {Interface{LinkTypeEthernet, 65535, 6, 0}, 0, 6_000_006, true}},
		},
		{
			"pcap, nanoseconds", join(pcapHeader(big, nanos, 101), record(big, 0xffffffff, 6, 4, "abcd")),
			[]Origin{{Interface{LinkTypeRaw, 65535, 9, 0}, 0, 4294967295_000000006, true}},
		},
		{
			"pcapng", join(section(big), describe(big, 1, 0), describe(big, 101, 2, option(big, 9, 0x80|32), option(big, 14, 255, 255, 255, 255, 255, 255, 255, 0)),
				enhanced(big, 1, 1<<40|3, 60, "ab"), simple(big, 3, "xyz"), enhanced(big, 0, 4, 60, "ab")),
			[]Origin{
				{Interface{LinkTypeRaw, 2, 0x80 | 32, -256}, 1, 1<<40 | 3, true},
				{Interface{LinkTypeEthernet, 0, 6, 0}, 0, 0, false},
				{Interface{LinkTypeEthernet, 0, 6, 0}, 0, 4, true},
			},
		},
		{
			"obsolete packets", join(section(big), describe(big, 1, 0), describe(big, 101, 0),
				block(big, blockPacket, []byte{0, 1, 0, 7}, words(big, 0, 1500000, 3, 60), []byte("abc"))),
			[]Origin{{Interface{LinkTypeRaw, 0, 6, 0}, 1, 1500000, true}},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, origins(t, test.file)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func origins(t testing.TB, file []byte) []Origin {
	t.Helper()
	r, err := NewReader(bytes.NewReader(file), "test", Options{})
	if err != nil {
		t.Fatal(err)
	}
	var all []Origin
	for {
		if r.packets == 0 && r.Origin() != (Origin{}) {
			t.Errorf("before the first packet %+v", r.Origin())
		}
		if _, err := r.Next(); errors.Is(err, io.EOF) {
			if r.Origin() != (Origin{}) {
				t.Errorf("behind the last packet %+v", r.Origin())
			}
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, r.Origin())
	}
}

// FuzzWriter writes what the input says, reads it and wants the same.
func FuzzWriter(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{0, 1, 6, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 60, 3, 'a', 'b', 'c'})
	f.Add([]byte{0, 101, 0x80 | 33, 200, 0, 0, 0, 3, 5, 3, 'a', 'b', 'c', 1, 4, 'k', 'e', 'y', 's', 4, 1, 'x'})
	f.Fuzz(func(t *testing.T, input []byte) {
		var file bytes.Buffer
		w, err := NewWriter(&file, Section{})
		if err != nil {
			t.Fatal(err)
		}
		s := script{input: input, w: w}
		for len(s.input) > 0 {
			s.step(t)
		}
		r, err := NewReader(bytes.NewReader(file.Bytes()), "fuzz", Options{OnSecrets: func(kind uint32, data []byte) {
			if len(s.secrets) == 0 || kind != SecretsTLSKeyLog || string(data) != s.secrets[0] {
				t.Fatalf("got secrets %#x %q, want %q", kind, data, s.secrets)
			}
			s.secrets = s.secrets[1:]
		}})
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range s.packets {
			p, err := r.Next()
			if err != nil {
				t.Fatalf("packet %d: %v", i, err)
			}
			got := entry{r.Origin(), string(p.Data), p.Length}
			if got != want {
				t.Fatalf("packet %d: got %+v, want %+v", i, got, want)
			}
			c := newClock(want.Interface.Resolution, want.Interface.Offset)
			if when := c.time(want.Stamp); want.Timed && !p.Time.Equal(when) || !want.Timed && p.Time != (time.Time{}) {
				t.Fatalf("packet %d: at %v, want %v", i, p.Time, when)
			}
		}
		if _, err := r.Next(); !errors.Is(err, io.EOF) || len(s.secrets) > 0 {
			t.Fatalf("then %v, and %d secrets that were not read", err, len(s.secrets))
		}
	})
}

// entry is a packet as it was written.
type entry struct {
	Origin
	data   string
	length int
}

// A script has a Writer do what its input says.
type script struct {
	input      []byte
	w          *Writer
	interfaces []Interface
	packets    []entry
	secrets    []string
}

// take takes up to n bytes of the input.
func (s *script) take(n int) []byte {
	n = min(n, len(s.input))
	b := s.input[:n]
	s.input = s.input[n:]
	return b
}

// number takes a number of up to n bytes.
func (s *script) number(n int) (v uint64) {
	for _, b := range s.take(n) {
		v = v<<8 | uint64(b)
	}
	return v
}

func (s *script) step(t *testing.T) {
	var err error
	switch s.number(1) % 5 {
	case 0:
		i := Interface{Link: LinkType(s.number(1)), Resolution: uint8(s.number(1)), Offset: int64(int8(s.number(1))), SnapLen: uint32(s.number(2))}
		if i.Link == 12 || i.Link == 14 {
			i.Link = LinkTypeRaw // so they are read
		}
		if len(s.interfaces) > 1 {
			i.Offset <<= 40
		}
		s.interfaces = append(s.interfaces, i)
		_, err = s.w.Interface(i)
	case 1:
		keys := string(s.take(int(s.number(1))))
		s.secrets = append(s.secrets, keys)
		err = s.w.Secrets(SecretsTLSKeyLog, []byte(keys))
	case 2:
		if len(s.interfaces) == 0 {
			return
		}
		o := Origin{ID: uint32(s.number(1)) % uint32(len(s.interfaces)), Stamp: s.number(8), Timed: true}
		o.Interface = s.interfaces[o.ID]
		err = s.packet(o, int(s.number(4)), func(data []byte, length int) error { return s.w.Packet(o.ID, o.Stamp, data, length) })
	case 3:
		if len(s.interfaces) == 0 {
			return
		}
		length := int(s.number(1))
		n := length
		if snap := s.interfaces[0].SnapLen; snap != 0 {
			n = min(n, int(snap))
		}
		data := append(bytes.Clone(s.take(n)), make([]byte, n)...)[:n]
		s.packets = append(s.packets, entry{Origin{Interface: s.interfaces[0]}, string(data), length})
		err = s.w.SimplePacket(data, length)
	case 4:
		s.interfaces = s.interfaces[:0]
		err = s.w.Section(Section{Comment: string(s.take(int(s.number(1)))), Application: string(s.take(int(s.number(1))))})
	}
	if err != nil {
		t.Fatal(err)
	}
}

// packet takes a packet's bytes, repeated where the input asks for a long one.
func (s *script) packet(o Origin, length int, write func([]byte, int) error) error {
	data := s.take(int(s.number(1)))
	if repeat := int(s.number(2)); len(data) > 0 {
		data = bytes.Repeat(data, min(1+repeat, MaxPacket/len(data)))
	}
	s.packets = append(s.packets, entry{o, string(data), min(max(length, len(data)), 1<<31-1)})
	return write(data, length)
}
