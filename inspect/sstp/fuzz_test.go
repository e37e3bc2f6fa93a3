package sstp_test

import (
	"bytes"
	"errors"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sstpwarden/inspect/sstp"
)

func addSeeds(f *testing.F) {
	f.Helper()
	for _, s := range []string{
		"10 00 000c  ff03 c021 09 01 0004",
		"10 01 800e  0001 0001  00 01 0006 0001",
		"10 01 0030  0002 0001  00 04 0028  000000 03" + specNonceSHA256,
		"10 01 0016  0003 0001  00 02 000c  000000 01 00000004  0000",
		"10 01 0020  0003 0002  00 02 000c  000000 09 00000002  00 02 000c  000000 01 0000000a",
		specConnectedSHA1,
		specConnectedSHA256,
		"10 01 0014  0005 0001  00 02 000c  000000 02 00000007",
		"10 01 0010  0006 0001  00 00 0008  00000000",
		"10 01 0008  0007 0000  10 01 0008  0008 0000  10 01 0008  0009 0000",
		"10 01 0010  0001 0001  00 01 0008  00000001",
		"10 01 000e  0001 0001  01 00 0006  0001",
	} {
		f.Add(unhex(f, s))
	}
}

// FuzzParsePacket reads a stream packet by packet. What is read is written
// back as the same bytes.
func FuzzParsePacket(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		for {
			p, n, err := sstp.ParsePacket(b)
			if err != nil {
				var syntax *sstp.SyntaxError
				if !isBareEOF(err) && !errors.As(err, &syntax) {
					t.Fatalf("err = %v, neither io.ErrUnexpectedEOF nor a *SyntaxError", err)
				}
				if n != 0 || p.Data != nil {
					t.Fatalf("n = %d, p = %v with %v", n, p, err)
				}
				return
			}
			if again := p.Append(nil); !bytes.Equal(again, b[:n]) {
				t.Fatalf("Append = %x, want %x", again, b[:n])
			}
			b = b[n:]
		}
	})
}

// FuzzControlMessage reads the data of a control packet. What is read is
// written back as the same bytes, typed messages read back as themselves, and
// every objection to a request fits in a Nak.
func FuzzControlMessage(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		p := sstp.Packet{Control: true, Data: data}
		if len(data) > sstp.MaxDataLen {
			return
		}
		m, err := p.ControlMessage()
		if err != nil {
			return
		}
		if again := m.Append(nil); !bytes.Equal(again, p.Append(nil)) {
			t.Fatalf("Append = %x, want %x", again, p.Append(nil))
		}
		faults := m.Validate()
		sstp.AppendMessage(nil, sstp.CallConnectNak{StatusInfo: faults})

		typed, err := m.Message()
		if err != nil {
			if len(faults) == 0 {
				t.Fatalf("Validate has no objection to a message that cannot be read: %v", err)
			}
			return
		}
		wire := sstp.AppendMessage(nil, typed)
		q, n, err := sstp.ParsePacket(wire)
		if err != nil || n != len(wire) {
			t.Fatalf("ParsePacket(%x): n = %d, err = %v", wire, n, err)
		}
		m2, err := q.ControlMessage()
		if err != nil {
			t.Fatalf("ControlMessage of %x: %v", wire, err)
		}
		again, err := m2.Message()
		if err != nil {
			t.Fatalf("Message of %x: %v", wire, err)
		}
		if !reflect.DeepEqual(typed, again) {
			t.Fatalf("read, written and read again (-first +second):\n%s", cmp.Diff(typed, again))
		}
		if len(faults) == 0 && m2.Validate() != nil {
			t.Fatalf("Validate objects to %x, but not to %x", wire, p.Append(nil))
		}
	})
}
