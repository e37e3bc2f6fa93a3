package capfile

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPcap(t *testing.T) {
	for _, test := range []struct {
		name string
		file []byte
		want []got
	}{
		{
			"microseconds, little endian", join(pcapHeader(little, micros, 1),
				record(little, 1700000000, 999999, 60, "abcd"), record(little, 1700000001, 0, 3, "xyz")),
			[]got{
				{at(1700000000, 999999000), LinkTypeEthernet, "abcd", 60, 1, 24},
				{at(1700000001, 0), LinkTypeEthernet, "xyz", 3, 2, 44},
			},
		},
		{
			"microseconds, big endian", join(pcapHeader(big, micros, 113), record(big, 1, 2, 4, "abcd")),
			[]got{{at(1, 2000), LinkTypeLinuxSLL, "abcd", 4, 1, 24}},
		},
		{
			"nanoseconds, little endian", join(pcapHeader(little, nanos, 276), record(little, 1, 999999999, 4, "abcd")),
			[]got{{at(1, 999999999), LinkTypeLinuxSLL2, "abcd", 4, 1, 24}},
		},
		{
			"nanoseconds, big endian", join(pcapHeader(big, nanos, 228), record(big, 1, 2, 4, "abcd")),
			[]got{{at(1, 2), LinkTypeIPv4, "abcd", 4, 1, 24}},
		},
		{
			"last second of the format", join(pcapHeader(little, micros, 1), record(little, 0xffffffff, 0, 0, "")),
			[]got{{at(4294967295, 0), LinkTypeEthernet, "", 0, 1, 24}},
		},
		{
			"more than a second of microseconds", join(pcapHeader(little, micros, 1), record(little, 1, 5000000, 1, "a")),
			[]got{{at(6, 0), LinkTypeEthernet, "a", 1, 1, 24}},
		},
		{"no packets", pcapHeader(little, micros, 1), nil},
		{
			"frame check sequence flags above the link type", join(pcapHeader(little, micros, 0x24000001), record(little, 1, 0, 1, "a")),
			[]got{{at(1, 0), LinkTypeEthernet, "a", 1, 1, 24}},
		},
		{
			"DLT_RAW of Linux", join(pcapHeader(little, micros, 12), record(little, 1, 0, 1, "a")),
			[]got{{at(1, 0), LinkTypeRaw, "a", 1, 1, 24}},
		},
		{
			"DLT_RAW of OpenBSD", join(pcapHeader(little, micros, 14), record(little, 1, 0, 1, "a")),
			[]got{{at(1, 0), LinkTypeRaw, "a", 1, 1, 24}},
		},
		{
			"unknown link type", join(pcapHeader(little, micros, 147), record(little, 1, 0, 1, "a")),
			[]got{{at(1, 0), LinkType(147), "a", 1, 1, 24}},
		},
		{
			"original length below the captured one", join(pcapHeader(little, micros, 1), record(little, 1, 0, 2, "abcd")),
			[]got{{at(1, 0), LinkTypeEthernet, "abcd", 4, 1, 24}},
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

// TestPcapLongestPacket checks both sides of MaxPacket, which the packets around
// it survive, and that the stated snapshot length is not enforced.
func TestPcapLongestPacket(t *testing.T) {
	long := string(make([]byte, MaxPacket))
	file := join(pcapHeader(little, micros, 1), record(little, 1, 0, 1, "a"), record(little, 2, 0, MaxPacket, long), record(little, 3, 0, 1, "b"))
	packets, err := readAll(file, Options{})
	if err != nil || len(packets) != 3 || packets[1].Data != long || packets[2].Data != "b" {
		t.Errorf("got %d packets and %v, want 3 with the longest in the middle", len(packets), err)
	}

	file = join(pcapHeader(little, micros, 1), record(little, 1, 0, 1, "a"), record(little, 2, 0, MaxPacket+1, long+"x"))
	packets, err = readAll(file, Options{})
	want := "test: packet 2 at offset 41 claims 262145 captured bytes, more than 262144: the file is damaged from here on; everything before is usable"
	if len(packets) != 1 || err == nil || err.Error() != want {
		t.Errorf("got %d packets and %v, want 1 and %v", len(packets), err, want)
	}
}
