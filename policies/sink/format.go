package sink

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/leodido/go-syslog/v4/rfc5424"
)

// facilities of RFC 5424, Section 6.2.1, by their usual names.
var facilities = map[string]uint8{
	"kern": 0, "user": 1, "mail": 2, "daemon": 3, "auth": 4, "syslog": 5, "lpr": 6, "news": 7,
	"uucp": 8, "cron": 9, "authpriv": 10, "ftp": 11,
	"local0": 16, "local1": 17, "local2": 18, "local3": 19, "local4": 20, "local5": 21, "local6": 22, "local7": 23,
}

// informational is the severity of all messages (RFC 5424, Section 6.2.1).
const informational = 6

// msgID says what kind of message it is.
const msgID = "sstp"

// A format makes syslog messages of records.
type format struct {
	message  rfc5424.SyslogMessage // all of it but time and text
	local    bool                  // as syslog(3) writes it to the local socket
	priority uint8
	tag      string // of local messages: "sstpwarden[123]"
	one      []byte
}

func newFormat(o *Options, local bool) (*format, error) {
	facility, ok := facilities[strings.ToLower(o.Facility)]
	if !ok {
		return nil, fmt.Errorf("syslog facility %q is not known: use local0 to local7, daemon, user, auth or authpriv", o.Facility)
	}
	pid := strconv.Itoa(os.Getpid())
	f := &format{local: local, priority: facility<<3 | informational, tag: o.AppName + "[" + pid + "]"}
	f.message.SetPriority(f.priority).SetVersion(1).SetAppname(o.AppName).SetProcID(pid).SetMsgID(msgID)
	if f.message.Appname == nil || *f.message.Appname != o.AppName {
		return nil, fmt.Errorf("syslog application name %q: use 1 to 48 printable ASCII characters without spaces", o.AppName)
	}
	if host, err := os.Hostname(); err == nil {
		f.message.SetHostname(host) // one that is not ASCII is left out
	}
	return f, nil
}

// appendFrame appends the message of a record in the framing of the network:
// octet counting in TCP (RFC 6587, Section 3.4.1), a newline behind it in a
// local stream, nothing in datagrams.
func (f *format) appendFrame(b []byte, network string, t time.Time, line []byte) []byte {
	switch network {
	case "tcp":
		f.one = f.appendMessage(f.one[:0], t, line)
		b = strconv.AppendInt(b, int64(len(f.one)), 10)
		b = append(b, ' ')
		return append(b, f.one...)
	case "unix":
		return append(f.appendMessage(b, t, line), '\n')
	}
	return f.appendMessage(b, t, line)
}

func (f *format) appendMessage(b []byte, t time.Time, line []byte) []byte {
	if f.local {
		b = fmt.Appendf(b, "<%d>%s %s: ", f.priority, t.Local().Format(time.Stamp), f.tag)
		return appendASCII(b, line)
	}
	t = t.UTC()
	f.message.Timestamp = &t
	head, err := f.message.String()
	if err != nil {
		panic("sink: " + err.Error()) // it has a priority and a version
	}
	b = append(b, head...)
	b = append(b, ' ')
	return appendASCII(b, line)
}

// appendASCII appends JSON with DEL and the characters beyond ASCII escaped.
func appendASCII(b, line []byte) []byte {
	for len(line) > 0 {
		n := 0
		for n < len(line) && line[n] < 0x7f {
			n++
		}
		b = append(b, line[:n]...)
		line = line[n:]
		if len(line) == 0 {
			break
		}
		r, size := utf8.DecodeRune(line)
		line = line[size:]
		if r1, r2 := utf16.EncodeRune(r); r1 != utf8.RuneError {
			b = fmt.Appendf(b, `\u%04x\u%04x`, r1, r2)
		} else {
			b = fmt.Appendf(b, `\u%04x`, r)
		}
	}
	return b
}
