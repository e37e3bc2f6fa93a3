package sstpref

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"sstpwarden/inspect/sstp"
	"sstpwarden/pcaps/sstpref/call"
)

// Faults are things that an endpoint does wrong on purpose, so that others can be
// tried. The zero value does none of them.
type Faults struct {
	// Call are those of SSTP's own messages.
	Call call.Faults

	// Split cuts each write into pieces of these sizes in bytes, in turn. Each is a
	// TLS record of its own.
	Split []int
	// SplitHeader writes the header of every packet apart from its body.
	SplitHeader bool
	// Join holds writes back until so many bytes are there, for JoinTime at most.
	Join     int
	JoinTime time.Duration
	// Delay, Drop and Corrupt are of what is sent: control messages by the names of
	// [sstp.MessageType], "ppp" for PPP's control frames and "data" for all other
	// data packets. What is delayed delays what comes behind it. Corrupt turns over
	// all bits of a packet's last byte.
	Delay         map[string]time.Duration
	Drop, Corrupt map[string]bool

	// SlowRead is how many bytes a second are read, 0 for no limit.
	SlowRead int
	// FragmentHello cuts the ClientHello into TCP writes of so many bytes, or into
	// TLS records if FragmentRecords is set. 0 leaves it whole.
	FragmentHello   int
	FragmentRecords bool
}

// A packetFault is what is to be done wrong to one packet.
type packetFault struct {
	delay time.Duration
	drop  bool
	bad   bool
}

func (f packetFault) corrupt(packet []byte) {
	if f.bad && len(packet) > 0 {
		packet[len(packet)-1] ^= 0xff
	}
}

// of returns the faults of packets of that kind.
func (f *Faults) of(kind string) packetFault {
	return packetFault{f.Delay[kind], f.Drop[kind], f.Corrupt[kind]}
}

// The kinds of packets that are not control messages.
const (
	kindPPP  = "ppp"
	kindData = "data"
)

// PacketKinds are the names that Delay, Drop and Corrupt take.
func PacketKinds() []string {
	var out []string
	for t := sstp.MessageCallConnectRequest; t <= sstp.MessageEchoResponse; t++ {
		out = append(out, t.String())
	}
	return append(out, kindPPP, kindData)
}

// A faultWord reads one fault of a list.
type faultWord struct {
	value string // what stands behind "=", for people; "" for nothing
	help  string
	set   func(f *Faults, value string) error
}

func flagFault(help string, to func(f *Faults) *bool) faultWord {
	return faultWord{"", help, func(f *Faults, _ string) error {
		*to(f) = true
		return nil
	}}
}

func sizeFault(help string, to func(f *Faults) *int) faultWord {
	return faultWord{"BYTES", help, func(f *Faults, value string) error {
		n, err := positive(value)
		*to(f) = n
		return err
	}}
}

func positive(value string) (int, error) {
	n, err := strconv.Atoi(value)
	if err != nil || n <= 0 {
		return 0, fmt.Errorf("%q is no number of bytes above 0", value)
	}
	return n, nil
}

func kindFault(help string, to func(f *Faults) *map[string]bool) faultWord {
	return faultWord{"PACKET", help, func(f *Faults, value string) error {
		if err := checkKind(value); err != nil {
			return err
		}
		if *to(f) == nil {
			*to(f) = map[string]bool{}
		}
		(*to(f))[value] = true
		return nil
	}}
}

func checkKind(kind string) error {
	if !slices.Contains(PacketKinds(), kind) {
		return fmt.Errorf("%q is no packet; there are %s", kind, strings.Join(PacketKinds(), ", "))
	}
	return nil
}

var faultWords = map[string]faultWord{
	"split": {"BYTES[+BYTES...]", "cut writes into pieces of these sizes in turn", func(f *Faults, value string) error {
		for size := range strings.SplitSeq(value, "+") {
			n, err := positive(size)
			if err != nil {
				return err
			}
			f.Split = append(f.Split, n)
		}
		return nil
	}},
	"split-header": flagFault("write headers apart from bodies", func(f *Faults) *bool { return &f.SplitHeader }),
	"join": {"BYTES", "hold writes back until so many bytes are there, 20ms at most", func(f *Faults, value string) (err error) {
		f.Join, err = positive(value)
		f.JoinTime = joinTime
		return err
	}},
	"delay": {"PACKET:TIME", "delay packets of a kind", func(f *Faults, value string) error {
		kind, text, _ := strings.Cut(value, ":")
		if err := checkKind(kind); err != nil {
			return err
		}
		d, err := time.ParseDuration(text)
		if err != nil || d < 0 {
			return fmt.Errorf("%q is no time, such as 500ms", text)
		}
		if f.Delay == nil {
			f.Delay = map[string]time.Duration{}
		}
		f.Delay[kind] = d
		return nil
	}},
	"drop":              kindFault("do not send packets of a kind", func(f *Faults) *map[string]bool { return &f.Drop }),
	"corrupt":           kindFault("turn over the last byte of packets of a kind", func(f *Faults) *map[string]bool { return &f.Corrupt }),
	"slow-read":         sizeFault("read so many bytes a second", func(f *Faults) *int { return &f.SlowRead }),
	"fragment-hello":    sizeFault("cut the ClientHello into TCP segments", func(f *Faults) *int { return &f.FragmentHello }),
	"wrong-nonce":       flagFault("Call Connected with another nonce", func(f *Faults) *bool { return &f.Call.WrongNonce }),
	"wrong-mac":         flagFault("Call Connected with another Compound MAC", func(f *Faults) *bool { return &f.Call.WrongMAC }),
	"wrong-certificate": flagFault("Call Connected with another certificate's hash", func(f *Faults) *bool { return &f.Call.WrongCertHash }),
	"reserved-bits":     flagFault("set all reserved bits", func(f *Faults) *bool { return &f.Call.ReservedBits }),
	"never-connected":   flagFault("never send Call Connected", func(f *Faults) *bool { return &f.Call.NeverConnected }),
	"nak":               flagFault("answer every Call Connect Request with Nak", func(f *Faults) *bool { return &f.Call.Nak }),
	"fragment-hello-records": {"BYTES", "cut the ClientHello into TLS records", func(f *Faults, value string) (err error) {
		f.FragmentHello, err = positive(value)
		f.FragmentRecords = true
		return err
	}},
}

// joinTime is how long the fault "join" holds back: well below every timer.
const joinTime = 20 * time.Millisecond

// FaultNames returns what [ParseFaults] takes, by name, and what each does.
func FaultNames() (usage, help []string) {
	for _, name := range slices.Sorted(maps.Keys(faultWords)) {
		w := faultWords[name]
		if w.value != "" {
			name += "=" + w.value
		}
		usage, help = append(usage, name), append(help, w.help)
	}
	return usage, help
}

// ParseFaults reads faults as "NAME" or "NAME=VALUE".
func ParseFaults(list []string) (Faults, error) {
	var f Faults
	for _, text := range list {
		name, value, has := strings.Cut(text, "=")
		w, known := faultWords[name]
		switch {
		case !known:
			usage, _ := FaultNames()
			return Faults{}, fmt.Errorf("no fault is called %q; there are %s", name, strings.Join(usage, ", "))
		case has != (w.value != ""):
			return Faults{}, fmt.Errorf("fault %q: write %s", text, strings.TrimSuffix(name+"="+w.value, "="))
		}
		if err := w.set(&f, value); err != nil {
			return Faults{}, fmt.Errorf("fault %q: %w", text, err)
		}
	}
	return f, nil
}
