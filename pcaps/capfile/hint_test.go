package capfile

import (
	"errors"
	"testing"
)

func TestNotCapture(t *testing.T) {
	for _, test := range []struct{ name, file, want string }{
		{"empty", "", "the file is empty: nothing was captured, or the capturing program has not written it out yet"},
		{"zip", "PK\x03\x04\x14\x00", "not a pcap or pcapng file (starts with 50 4b 03 04: looks like a ZIP archive; unpack it first)"},
		{"xz", "\xfd7zXZ\x00\x00", "not a pcap or pcapng file (starts with fd 37 7a 58: looks like xz data; unpack it first with: xz -d FILE)"},
		{"bzip2", "BZh91AY", "not a pcap or pcapng file (starts with 42 5a 68 39: looks like bzip2 data; unpack it first with: bzip2 -d FILE)"},
		{"snoop", "snoop\x00\x00\x00\x00\x00\x00\x02", "not a pcap or pcapng file (starts with 73 6e 6f 6f: looks like a Solaris snoop capture; convert it with: editcap -F pcapng FILE OUT)"},
		{"modified pcap", "\x34\xcd\xb2\xa1", "not a pcap or pcapng file (starts with 34 cd b2 a1: looks like a modified pcap of an old patched libpcap; convert it with: editcap -F pcapng FILE OUT)"},
		{"html", "\n<!DOCTYPE HTML>\n<html>", "not a pcap or pcapng file (starts with 0a 3c 21 44: looks like a web page; the download of the capture went wrong)"},
		{"xml", "<?xml version=\"1.0\"?>", "not a pcap or pcapng file (starts with 3c 3f 78 6d: looks like XML; give the capture it was made from)"},
		{"json", "[\n  {\"_index\"", "not a pcap or pcapng file (starts with 5b 0a 20 20: looks like JSON; give the capture it was made from)"},
		{"json object", "{\"event_type\"", "not a pcap or pcapng file (starts with 7b 22 65 76: looks like JSON; give the capture it was made from)"},
		{"key log", "CLIENT_RANDOM 52362c", "not a pcap or pcapng file (starts with 43 4c 49 45: looks like a TLS key log; give it as the key log, beside the capture)"},
		{"text", "12:00:00 IP 10.0.0.1.443 > ", "not a pcap or pcapng file (starts with 31 32 3a 30: looks like text; record packets with: tcpdump -w FILE, or tshark -w FILE)"},
		{"utf-16", "\xff\xfe\xd4\x00\xc3\x00", "not a pcap or pcapng file (starts with ff fe d4 00: looks like UTF-16 text; PowerShell's > spoils binary data, let the capturing program write the file itself)"},
		{"binary", "\x7fELF\x02\x01", "not a pcap or pcapng file (starts with 7f 45 4c 46)"},
		{"two bytes", "\x01\x02", "not a pcap or pcapng file (starts with 01 02)"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := readAll([]byte(test.file), Options{})
			if !errors.Is(err, ErrFormat) || err.Error() != "test: "+test.want {
				t.Errorf("got  %v\nwant test: %s", err, test.want)
			}
		})
	}
}

func TestNotCaptureCompressed(t *testing.T) {
	for _, test := range []struct {
		name string
		file []byte
		want string
	}{
		{"empty", gzipped(t, nil), "test: the file is empty: nothing was captured, or the capturing program has not written it out yet"},
		{"twice", gzipped(t, gzipped(t, pcapHeader(little, micros, 1))), "test: not a pcap or pcapng file (starts with 1f 8b 08 00: looks like gzip data inside the compressed data; unpack it once first)"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := readAll(test.file, Options{})
			if !errors.Is(err, ErrFormat) || err.Error() != test.want {
				t.Errorf("got  %v\nwant %s", err, test.want)
			}
		})
	}
}
