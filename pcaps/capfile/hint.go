package capfile

import (
	"bytes"
	"fmt"
	"strings"
)

// hintBytes is how much of a file is looked at to say what it is instead.
const hintBytes = 64

// lookalikes are the things given for a capture by mistake, by their first bytes.
var lookalikes = []struct{ magic, advice string }{
	{"PK\x03\x04", "a ZIP archive; unpack it first"},
	{"\xfd7zXZ\x00", "xz data; unpack it first with: xz -d FILE"},
	{"BZh", "bzip2 data; unpack it first with: bzip2 -d FILE"},
	{"\x04\x22\x4d\x18", "lz4 data; unpack it first with: lz4 -d FILE"},
	{"7z\xbc\xaf\x27\x1c", "a 7-Zip archive; unpack it first"},
	{"Rar!\x1a\x07", "a RAR archive; unpack it first"},
	{"\x1f\x8b", "gzip data inside the compressed data; unpack it once first"},
	{"\x28\xb5\x2f\xfd", "zstd data inside the compressed data; unpack it once first"},
	{"snoop\x00\x00\x00", "a Solaris snoop capture; convert it with: editcap -F pcapng FILE OUT"},
	{"RTSS", "a Network Monitor capture; convert it with: editcap -F pcapng FILE OUT"},
	{"GMBU", "a Network Monitor capture; convert it with: editcap -F pcapng FILE OUT"},
	{"\xd4\xcd\xb2\xa1", "a modified pcap of an old patched libpcap; convert it with: editcap -F pcapng FILE OUT"},
	{"\xa1\xb2\xcd\x34", "a modified pcap of an old patched libpcap; convert it with: editcap -F pcapng FILE OUT"},
	{"\x34\xcd\xb2\xa1", "a modified pcap of an old patched libpcap; convert it with: editcap -F pcapng FILE OUT"},
	{"\xff\xfe", "UTF-16 text; PowerShell's > spoils binary data, let the capturing program write the file itself"},
	{"# SSL/TLS secrets log", "a TLS key log; give it as the key log, beside the capture"},
	{"CLIENT_RANDOM ", "a TLS key log; give it as the key log, beside the capture"},
}

// notCapture reports a file that begins with none of the magic numbers.
func (r *Reader) notCapture() error {
	// A failure to read this much means a short file; what there is will do.
	_, _ = r.win.peek(hintBytes)
	head := r.win.buf[r.win.pos:min(r.win.end, r.win.pos+hintBytes)]
	if len(head) == 0 {
		return r.fail(ErrFormat, "the file is empty: nothing was captured, or the capturing program has not written it out yet")
	}
	reason := fmt.Sprintf("not a pcap or pcapng file (starts with % x", head[:min(4, len(head))])
	if advice := lookalike(head); advice != "" {
		reason += ": looks like " + advice
	}
	return r.fail(ErrFormat, reason+")")
}

// lookalike says what head, a file's first bytes, most likely begins; "" if it
// cannot tell.
func lookalike(head []byte) string {
	for _, l := range lookalikes {
		if bytes.HasPrefix(head, []byte(l.magic)) {
			return l.advice
		}
	}
	if !isText(head) {
		return ""
	}
	text := strings.ToLower(strings.TrimSpace(string(head)))
	switch {
	case strings.HasPrefix(text, "<!doctype html"), strings.HasPrefix(text, "<html"):
		return "a web page; the download of the capture went wrong"
	case strings.HasPrefix(text, "<"):
		return "XML; give the capture it was made from"
	case strings.HasPrefix(text, "{"), strings.HasPrefix(text, "["):
		return "JSON; give the capture it was made from"
	default:
		return "text; record packets with: tcpdump -w FILE, or tshark -w FILE"
	}
}

// isText tells text from binary data: no control characters but white space.
func isText(b []byte) bool {
	for _, c := range b {
		if c < ' ' && c != '\n' && c != '\r' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}
