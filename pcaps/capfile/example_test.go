package capfile_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"sstpwarden/pcaps/capfile"
)

func Example() {
	// A pcap file of one packet, whose second packet is cut off.
	file := []byte("\xd4\xc3\xb2\xa1\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x04\x00\x01\x00\x00\x00" +
		"\x00\xf1\x53\x65\x40\xe2\x01\x00\x04\x00\x00\x00\x40\x00\x00\x00\xde\xad\xbe\xef" +
		"\x00\xf1\x53\x65")

	r, err := capfile.NewReader(bytes.NewReader(file), "office.pcap", capfile.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = r.Close() }()
	for {
		p, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if errors.Is(err, capfile.ErrTruncated) {
			fmt.Println("warning:", err)
			break
		}
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("%d %s %s % x (%d bytes)\n", p.Number, p.Time.Format("15:04:05.000000"), p.Link, p.Data, p.Length)
	}
	// Output:
	// 1 22:13:20.123456 ethernet de ad be ef (64 bytes)
	// warning: office.pcap: capture ends in the middle of packet 2 at offset 44: it was cut off, or is still being written; everything before is usable
}
