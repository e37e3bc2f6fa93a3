package carve

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
	"unicode"
	"unicode/utf8"
)

// name is the tunnel's file name:
//
//	20261122T050000.123456Z_10.1.2.3-51234_198.51.100.7-443_<flow id>_<digest>.pcapng
//
// The start is in UTC, the client stands first, colons of IPv6 are hyphens. The
// digest is of what the capture is called and of where in it the connection
// begins: captures may share connections, and connections ports and start.
func (t *Tunnel) name(source string) string {
	sum := sha256.Sum256(binary.BigEndian.AppendUint64([]byte(source), t.FirstPacket))
	return fmt.Sprintf("%s_%s_%s_%d_%x.pcapng", t.Start.UTC().Format("20060102T150405.000000Z"),
		nameOf(t.Key.Client), nameOf(t.Key.Server), t.FlowID, sum[:4])
}

// nameOf is one end as names have it. Zones are text from somewhere.
func nameOf(end netip.AddrPort) string {
	if !end.IsValid() {
		return "unknown"
	}
	addr := end.Addr().Unmap().WithZone("").String()
	return fmt.Sprintf("%s-%d", strings.ReplaceAll(addr, ":", "-"), end.Port())
}

// maxComment bounds a file's comment, in bytes.
const maxComment = 32 << 10

// clean makes a comment text that a terminal can show: it may hold names of
// files, which can be anything.
func clean(comment string) string {
	if len(comment) > maxComment {
		end := maxComment
		for end > 0 && !utf8.RuneStart(comment[end]) {
			end--
		}
		comment = comment[:end]
	}
	return strings.Map(func(r rune) rune {
		if r != '\n' && (unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r)) {
			return utf8.RuneError
		}
		return r
	}, strings.ToValidUTF8(comment, string(utf8.RuneError)))
}
