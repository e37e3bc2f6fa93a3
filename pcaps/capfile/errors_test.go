package capfile

import (
	"errors"
	"io"
	"io/fs"
	"testing"
	"testing/iotest"
)

// TestErrors has one file for every way in which a capture can be wrong.
func TestErrors(t *testing.T) {
	ng := join(section(little), describe(little, 1, 0))
	ok := enhanced(little, 0, 0, 1, "a")
	damaged := ": the file is damaged from here on; everything before is usable"

	// twist changes the 32-bit integer at offset of a block.
	twist := func(block []byte, offset int, v uint32) []byte {
		return join(block[:offset], words(little, v), block[offset+4:])
	}
	for _, test := range []struct {
		name   string
		file   []byte
		reason string // after "test: "
		is     error
		packet uint64
		offset int64
	}{
		{
			"pcap version", join(words(little, micros), []byte{2, 0, 3, 0}, make([]byte, 16)),
			"pcap version 2.3 is not supported, only 2.4 is; convert it with: editcap -F pcapng FILE OUT", ErrFormat, 1, 0,
		},
		{
			"pcap header cut", pcapHeader(little, micros, 1)[:23],
			"capture ends in the middle of the file header at offset 0: it was cut off, or is still being written; no packet comes before it", ErrTruncated, 1, 0,
		},
		{
			"magic cut", pcapHeader(little, micros, 1)[:3],
			"capture ends in the middle of the file header at offset 0: it was cut off, or is still being written; no packet comes before it", ErrTruncated, 1, 0,
		},
		{
			"pcap record header cut", join(pcapHeader(little, micros, 1), record(little, 0, 0, 1, "a"), make([]byte, 15)),
			"capture ends in the middle of packet 2 at offset 41: it was cut off, or is still being written; everything before is usable", ErrTruncated, 2, 41,
		},
		{
			"pcap record cut", join(pcapHeader(little, micros, 1), record(little, 0, 0, 1, "a"), record(little, 0, 0, 9, "abcdefghi")[:24]),
			"capture ends in the middle of packet 2 at offset 41: it was cut off, or is still being written; everything before is usable", ErrTruncated, 2, 41,
		},
		{
			"pcap hostile length", join(pcapHeader(little, micros, 1), record(little, 0, 0, 1, "a"), words(little, 0, 0, 0xffffffff, 0xffffffff)),
			"packet 2 at offset 41 claims 4294967295 captured bytes, more than 262144" + damaged, ErrFormat, 2, 41,
		},

		{
			"pcapng header cut", section(little)[:11],
			"capture ends in the middle of the file header at offset 0: it was cut off, or is still being written; no packet comes before it", ErrTruncated, 1, 0,
		},
		{
			"pcapng section header cut", section(little)[:27],
			"capture ends in the middle of a section header at offset 0: it was cut off, or is still being written; no packet comes before it", ErrTruncated, 1, 0,
		},
		{
			"pcapng version", block(little, blockSectionHeader, words(little, 0x1a2b3c4d), []byte{2, 0, 0, 0}, make([]byte, 8)),
			"pcapng version 2.0 is not supported, only 1.0 is; convert it with: editcap -F pcapng FILE OUT", ErrFormat, 1, 0,
		},
		{
			"byte order magic", twist(section(little), 8, 0x11223344),
			"the section header at offset 0 has the unknown byte order magic 44 33 22 11: the file is damaged from here on; no packet comes before it", ErrFormat, 1, 0,
		},
		{
			"byte order magic of a later section", join(ng, ok, twist(section(little), 8, 0)),
			"the section header at offset 84 has the unknown byte order magic 00 00 00 00" + damaged, ErrFormat, 2, 84,
		},
		{
			"section header too short", block(little, blockSectionHeader, words(little, 0x1a2b3c4d, 1)),
			"the section header at offset 0 is too short: the file is damaged from here on; no packet comes before it", ErrFormat, 1, 0,
		},
		{
			"second section header too short", join(ng, ok, block(little, blockSectionHeader, words(little, 0x1a2b3c4d, 1))),
			"the section header at offset 84 is too short" + damaged, ErrFormat, 2, 84,
		},
		{
			"block cut in its header", join(ng, ok, ok[:7]),
			"capture ends in the middle of a block at offset 84: it was cut off, or is still being written; everything before is usable", ErrTruncated, 2, 84,
		},
		{
			"packet block cut", join(ng, ok, ok[:35]),
			"capture ends in the middle of packet 2 at offset 84: it was cut off, or is still being written; everything before is usable", ErrTruncated, 2, 84,
		},
		{
			"passed block cut in its body", join(ng, ok, block(little, 5, make([]byte, 8))[:14]),
			"capture ends in the middle of a block of type 5 at offset 84: it was cut off, or is still being written; everything before is usable", ErrTruncated, 2, 84,
		},
		{
			"passed block cut in its trailer", join(ng, ok, block(little, 5, make([]byte, 8))[:19]),
			"capture ends in the middle of a block of type 5 at offset 84: it was cut off, or is still being written; everything before is usable", ErrTruncated, 2, 84,
		},
		{
			"secrets cut", join(ng, ok, secrets(little, 1, "keys")[:19]),
			"capture ends in the middle of a decryption secrets block at offset 84: it was cut off, or is still being written; everything before is usable", ErrTruncated, 2, 84,
		},
		{
			"block length below the least", join(ng, ok, twist(ok, 4, 8)),
			"packet 2 at offset 84 claims an impossible length of 8 bytes" + damaged, ErrFormat, 2, 84,
		},
		{
			"block length not a multiple of 4", join(ng, ok, twist(ok, 4, 37)),
			"packet 2 at offset 84 claims an impossible length of 37 bytes" + damaged, ErrFormat, 2, 84,
		},
		{
			"first block length", twist(section(little), 4, 0),
			"a section header at offset 0 claims an impossible length of 0 bytes: the file is damaged from here on; no packet comes before it", ErrFormat, 1, 0,
		},
		{
			"packet block of 4 GiB", join(ng, ok, twist(ok, 4, 0xfffffffc)),
			"packet 2 at offset 84 claims a length of 4294967292 bytes, more than 1048576" + damaged, ErrFormat, 2, 84,
		},
		{
			"interface description of 2 MiB", join(ng, ok, twist(describe(little, 1, 0), 4, 2<<20)),
			"an interface description at offset 84 claims a length of 2097152 bytes, more than 1048576" + damaged, ErrFormat, 2, 84,
		},
		{
			"passed block of 2 GiB", join(ng, ok, twist(block(little, 5), 4, 2<<30)),
			"a block of type 5 at offset 84 claims a length of 2147483648 bytes, more than 67108864" + damaged, ErrFormat, 2, 84,
		},
		{
			"lengths that differ", join(ng, ok, twist(ok, 32, 40)),
			"packet 2 at offset 84 has a length of 36 bytes at its beginning and 40 at its end" + damaged, ErrFormat, 2, 84,
		},
		{
			"lengths that differ, passed block", join(ng, ok, twist(block(little, 5), 8, 16)),
			"a block of type 5 at offset 84 has a length of 12 bytes at its beginning and 16 at its end" + damaged, ErrFormat, 2, 84,
		},
		{
			"packet without room for its header", join(ng, ok, block(little, blockEnhancedPacket, make([]byte, 16))),
			"packet 2 at offset 84 has no room for its header" + damaged, ErrFormat, 2, 84,
		},
		{
			"packet of no interface", join(ng, ok, enhanced(little, 1, 0, 1, "a")),
			"packet 2 at offset 84 is of interface 1, and its section has described 1 so far" + damaged, ErrFormat, 2, 84,
		},
		{
			"packet of interface -1", join(ng, ok, enhanced(little, 0xffffffff, 0, 1, "a")),
			"packet 2 at offset 84 is of interface 4294967295, and its section has described 1 so far" + damaged, ErrFormat, 2, 84,
		},
		{
			"interface of the section before", join(ng, ok, section(little), ok),
			"packet 2 at offset 112 is of interface 0, and its section has described 0 so far" + damaged, ErrFormat, 2, 112,
		},
		{
			"packet length beyond the block", join(ng, ok, twist(ok, 20, 5)),
			"packet 2 at offset 84 claims 5 captured bytes in a block with room for 4" + damaged, ErrFormat, 2, 84,
		},
		{
			"packet length beyond the limit", join(ng, ok, twist(ok, 20, 0x80000000)),
			"packet 2 at offset 84 claims 2147483648 captured bytes, more than 262144" + damaged, ErrFormat, 2, 84,
		},
		{
			"simple packet without room for its header", join(ng, ok, block(little, blockSimplePacket)),
			"packet 2 at offset 84 has no room for its header" + damaged, ErrFormat, 2, 84,
		},
		{
			"simple packet without an interface", join(ng, ok, section(little), simple(little, 1, "a")),
			"packet 2 at offset 112 is of interface 0, and its section has described 0 so far" + damaged, ErrFormat, 2, 112,
		},
		{
			"simple packet beyond the block", join(ng, ok, simple(little, 5, "a")),
			"packet 2 at offset 84 claims 5 captured bytes in a block with room for 4" + damaged, ErrFormat, 2, 84,
		},
		{
			"simple packet beyond the limit", join(ng, ok, simple(little, 0xffffffff, "a")),
			"packet 2 at offset 84 claims 4294967295 captured bytes, more than 262144" + damaged, ErrFormat, 2, 84,
		},
		{
			"interface description too short", join(ng, ok, block(little, blockInterfaceDescription, make([]byte, 4))),
			"the interface description at offset 84 is too short" + damaged, ErrFormat, 2, 84,
		},
		{
			"option beyond the block", join(ng, ok, describe(little, 1, 0, []byte{1, 0, 9, 0, 'x', 'y', 'z', 0})),
			"the interface description at offset 84 has option 1 with an impossible length of 9 bytes" + damaged, ErrFormat, 2, 84,
		},
		{
			"resolution of no byte", join(ng, ok, describe(little, 1, 0, option(little, 9))),
			"the interface description at offset 84 has option 9 with an impossible length of 0 bytes" + damaged, ErrFormat, 2, 84,
		},
		{
			"time stamp offset of 4 bytes", join(ng, ok, describe(little, 1, 0, option(little, 14, 1, 2, 3, 4))),
			"the interface description at offset 84 has option 14 with an impossible length of 4 bytes" + damaged, ErrFormat, 2, 84,
		},
		{
			"secrets too short", join(ng, ok, block(little, blockDecryptionSecrets, words(little, 1))),
			"a decryption secrets block at offset 84 is too short" + damaged, ErrFormat, 2, 84,
		},
		{
			"secrets length beyond the block", join(ng, ok, twist(secrets(little, 1, "keys"), 12, 5)),
			"a decryption secrets block at offset 84 claims 5 bytes of secrets and has room for 4" + damaged, ErrFormat, 2, 84,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			packets, err := readAll(test.file, Options{OnSecrets: func(uint32, []byte) {}})
			e := asError(t, err)
			if e.Error() != "test: "+test.reason {
				t.Errorf("got  %s\nwant test: %s", e, test.reason)
			}
			if !errors.Is(e, test.is) || e.Packet != test.packet || e.Offset != test.offset || e.File != "test" {
				t.Errorf("got %+v, want one of file test that is %v, packet %d, offset %d", e, test.is, test.packet, test.offset)
			}
			if uint64(len(packets)) != test.packet-1 {
				t.Errorf("got %d packets before the error, want %d", len(packets), test.packet-1)
			}
		})
	}
}

// TestErrorTooManyInterfaces fills a section with interfaces.
func TestErrorTooManyInterfaces(t *testing.T) {
	var interfaces []byte
	one := describe(little, 1, 0)
	for range maxInterfaces + 1 {
		interfaces = append(interfaces, one...)
	}
	_, err := readAll(join(section(little), interfaces), Options{})
	want := "test: the section has more than 65536 interfaces at offset 1310748: the file is damaged from here on; no packet comes before it"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// TestErrorFinal wants the same error again, and what was read to stay.
func TestErrorFinal(t *testing.T) {
	file := join(pcapHeader(little, micros, 1), record(little, 0, 0, 1, "a"), []byte{1})
	r, err := NewReader(iotest.OneByteReader(readerOf(file)), "test", Options{})
	if err != nil {
		t.Fatal(err)
	}
	p, err := r.Next()
	if err != nil {
		t.Fatal(err)
	}
	_, first := r.Next()
	_, second := r.Next()
	if !errors.Is(first, ErrTruncated) || asError(t, first) != asError(t, second) {
		t.Errorf("got %v, then %v, want one that is ErrTruncated twice", first, second)
	}
	if string(p.Data) != "a" {
		t.Errorf("the packet before the error has become %q", p.Data)
	}
}

// TestErrorReading has a file that cannot be read to its end.
func TestErrorReading(t *testing.T) {
	broken := &fs.PathError{Op: "read", Path: "/dev/sdz", Err: errors.New("input/output error")}
	file := join(pcapHeader(little, micros, 1), record(little, 0, 0, 1, "a"), record(little, 0, 0, 1, "b"))
	for _, test := range []struct {
		name string
		src  io.Reader
		want string
	}{
		{
			"in a packet", io.MultiReader(readerOf(file[:45]), iotest.ErrReader(broken)),
			"test: reading packet 2 at offset 41 failed: input/output error",
		},
		{
			"between packets", io.MultiReader(readerOf(file[:41]), iotest.ErrReader(broken)),
			"test: reading packet 2 at offset 41 failed: input/output error",
		},
		{
			"at the beginning", iotest.ErrReader(broken),
			"test: reading the file header at offset 0 failed: input/output error",
		},
		{
			"in compressed data", io.MultiReader(readerOf(gzipped(t, file)[:40]), iotest.ErrReader(broken)),
			"test: reading packet 1 at offset 24 of the unpacked data failed: input/output error",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := readFrom(test.src, Options{})
			if e := asError(t, err); e.Error() != test.want || errors.Is(e, ErrTruncated) || errors.Is(e, ErrFormat) {
				t.Errorf("got  %v\nwant %s, neither ErrTruncated nor ErrFormat", err, test.want)
			}
		})
	}
}

// stuck never returns anything.
type stuck struct{}

func (stuck) Read([]byte) (int, error) { return 0, nil }

func TestErrorNoProgress(t *testing.T) {
	_, err := readFrom(io.MultiReader(readerOf(pcapHeader(little, micros, 1)), stuck{}), Options{})
	want := "test: reading packet 1 at offset 24 failed: multiple Read calls return no data or error"
	if !errors.Is(err, io.ErrNoProgress) || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
