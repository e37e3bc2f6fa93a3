package capfile

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestPcapng(t *testing.T) {
	obsolete := block(little, blockPacket, []byte{1, 0, 7, 0}, words(little, 0, 1500000, 3, 60), []byte("abc"))
	obsoleteBig := block(big, blockPacket, []byte{0, 0, 0, 7}, words(big, 0, 1500000, 3, 60), []byte("abc"))
	comment := option(little, 1, []byte("a comment")...)

	for _, test := range []struct {
		name string
		file []byte
		want []got
	}{
		{"section only", section(little), nil},
		{
			"default resolution", join(section(little), describe(little, 1, 0), enhanced(little, 0, 1700000000123456, 60, "abcd")),
			[]got{{at(1700000000, 123456000), LinkTypeEthernet, "abcd", 60, 1, 48}},
		},
		{
			"big endian, padded, with options", join(section(big), describe(big, 276, 0, option(big, 2, 'e', 't', 'h', '0'), option(big, 9, 9), option(big, 0)),
				enhanced(big, 0, 1_000_000_002, 5, "abcde", option(big, 1, 'x'), option(big, 0))),
			[]got{{at(1, 2), LinkTypeLinuxSLL2, "abcde", 5, 1, 68}},
		},
		{
			"interfaces of different links and clocks", join(section(little), describe(little, 1, 0, comment, option(little, 9, 3), option(little, 0), comment),
				describe(little, 101, 0, option(little, 9, 0x80|10), option(little, 14, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)),
				enhanced(little, 1, 5<<10|512, 1, "b"), enhanced(little, 0, 1500, 1, "a")),
			[]got{
				{at(4, 500000000), LinkTypeRaw, "b", 1, 1, 132},
				{at(1, 500000000), LinkTypeEthernet, "a", 1, 2, 168},
			},
		},
		{
			"time stamp offset, big endian", join(section(big), describe(big, 1, 0, option(big, 14, 0, 0, 0, 0, 0, 0, 1, 0)), enhanced(big, 0, 0, 1, "a")),
			[]got{{at(256, 0), LinkTypeEthernet, "a", 1, 1, 60}},
		},
		{
			"simple packets, cut by the snapshot length", join(section(little), describe(little, 1, 2), describe(little, 9, 0), simple(little, 60, "ab"), simple(little, 1, "c")),
			[]got{{time.Time{}, LinkTypeEthernet, "ab", 60, 1, 68}, {time.Time{}, LinkTypeEthernet, "c", 1, 2, 88}},
		},
		{
			"simple packet, no snapshot length", join(section(big), describe(big, 1, 0), simple(big, 3, "abc")),
			[]got{{time.Time{}, LinkTypeEthernet, "abc", 3, 1, 48}},
		},
		{
			"obsolete packet", join(section(little), describe(little, 1, 0), describe(little, 9, 0), obsolete),
			[]got{{at(1, 500000000), LinkTypePPP, "abc", 60, 1, 68}},
		},
		{
			"obsolete packet, big endian", join(section(big), describe(big, 1, 0), obsoleteBig),
			[]got{{at(1, 500000000), LinkTypeEthernet, "abc", 60, 1, 48}},
		},
		{
			"blocks without packets are passed over", join(section(little), block(little, 4, []byte("names")), describe(little, 1, 0),
				block(little, 5, make([]byte, 12)), block(little, 0x80000001), enhanced(little, 0, 0, 1, "a"), block(little, 0xbad, make([]byte, 2<<20))),
			[]got{{at(0, 0), LinkTypeEthernet, "a", 1, 1, 104}},
		},
		{
			"sections of either byte order number their interfaces anew", join(
				section(little), describe(little, 1, 0), describe(little, 113, 0), enhanced(little, 1, 1, 1, "a"),
				section(big), describe(big, 101, 0, option(big, 9, 0)), enhanced(big, 0, 2, 1, "b"),
				section(little), describe(little, 9, 0), enhanced(little, 0, 3, 1, "c")),
			[]got{
				{at(0, 1000), LinkTypeLinuxSLL, "a", 1, 1, 68},
				{at(2, 0), LinkTypeRaw, "b", 1, 2, 160},
				{at(0, 3000), LinkTypePPP, "c", 1, 3, 244},
			},
		},
		{
			"version 1.2", join(block(little, blockSectionHeader, words(little, 0x1a2b3c4d), []byte{1, 0, 2, 0}, make([]byte, 8)), describe(little, 1, 0), enhanced(little, 0, 0, 1, "a")),
			[]got{{at(0, 0), LinkTypeEthernet, "a", 1, 1, 48}},
		},
		{
			"original length below the captured one", join(section(little), describe(little, 1, 0), enhanced(little, 0, 0, 1, "abcd")),
			[]got{{at(0, 0), LinkTypeEthernet, "abcd", 4, 1, 48}},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			packets, err := readAll(test.file, Options{})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, packets); diff != "" {
				t.Errorf("packets (-want +got):\n%s", diff)
			}
		})
	}
}

// TestPcapngLongestPacket has a packet of MaxPacket bytes and comments that fill
// its block to the limit.
func TestPcapngLongestPacket(t *testing.T) {
	long := string(make([]byte, MaxPacket))
	options := make([]byte, maxHeld-MaxPacket-32)
	start := join(section(little), describe(little, 1, 0), enhanced(little, 0, 0, 1, "a"))
	packets, err := readAll(join(start, enhanced(little, 0, 0, MaxPacket, long, options), enhanced(little, 0, 0, 1, "b")), Options{})
	if err != nil || len(packets) != 3 || packets[1].Data != long || packets[2].Data != "b" {
		t.Errorf("got %d packets and %v, want 3 with the longest in the middle", len(packets), err)
	}

	packets, err = readAll(join(start, enhanced(little, 0, 0, MaxPacket, long, options, make([]byte, 4))), Options{})
	want := "test: packet 2 at offset 84 claims a length of 1048580 bytes, more than 1048576: the file is damaged from here on; everything before is usable"
	if len(packets) != 1 || err == nil || err.Error() != want {
		t.Errorf("got %d packets and %v, want 1 and %v", len(packets), err, want)
	}
}
