// Package sink carries records, lines of text, to where they are kept: a file,
// standard output, a syslog server, or a web service that takes batches.
//
// A [Sink] is an [io.Writer] whose Writes do not wait: a record is copied into
// a queue that is bounded in records and in bytes, and one goroutine empties
// it. What the queue has no room for is lost, unless [Options.Block] says to
// wait. [Sink.Lost] is the one count of all that was not recorded, for whatever
// reason.
//
// # Destinations
//
//   - standard output
//     /var/log/sstp.json       a file, appended to, made with mode 0600
//     syslog://host:514        syslog over UDP (RFC 5424, RFC 5426)
//     syslog+tcp://host:601    over TCP, with octet counting (RFC 6587, Section 3.4.1)
//     syslog+tls://host:6514   over TLS (RFC 5425)
//     syslog:///dev/log        the host's own syslog or journal
//     https://host/logs        batches as OPA's decision log service takes them
//
// # What is sent
//
// A record is one line. Control characters of ASCII in it become spaces, so that
// no text from the wire begins another record; in JSON they can only be white
// space.
//
// To syslog the record is the MSG of an RFC 5424 message of severity
// informational, MSGID "sstp". Characters beyond ASCII are written as JSON's
// escapes, which leave a JSON record the same: RFC 5424, Section 6.4 wants a byte
// order mark before UTF-8, and JSON parsers behind syslog servers stumble over
// it. A local socket gets the form that syslog(3) sends instead, because neither
// journald nor rsyslog reads RFC 5424 there. A datagram carries one record; one
// that is too long for that, as those of UDP are from 64 KB on, is lost. Many
// servers cut messages, rsyslog at 8 KB unless told otherwise.
//
// To a web service goes a POST of a JSON array, compressed with gzip. Any status
// of 2xx is a receipt.
//
// # Failures
//
// A destination that fails is tried again, with growing pauses; meanwhile
// records wait in the queue. UDP tells little: a record counts as written when
// the kernel took it, and likewise over TCP, where what was under way when a
// connection breaks is lost and cannot be counted. A file whose disk is full
// loses records until there is space again. Its last line is never left in
// halves: what a crash left is ended with a newline before the first record.
package sink
