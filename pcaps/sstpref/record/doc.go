// Package record writes connections to a pcapng capture as they are used, which
// needs no privileges: the bytes are real, the packets around them made up.
//
//	capture, err := record.NewCapture(file, "sstplab dial vpn.example")
//	conn = capture.Conn(conn, false)
//	session := tls.Client(conn, &tls.Config{KeyLogWriter: capture.KeyLog(), ...})
//	...
//	err = capture.Close()
//
// What goes through a [Capture.Conn] becomes Ethernet frames with IPv4 or IPv6
// and TCP: a handshake, segments of at most one MSS with right sequence numbers,
// acknowledgement numbers and checksums, acknowledgements, and the end as it was
// seen. TLS secrets become Decryption Secrets Blocks. Wireshark opens such a
// capture as it is, and so does sstpwarden audit.
//
// # What can be relied on
//
//   - The bytes of each direction, and which of them were read or written
//     together: a segment with PSH ends what one Read or Write carried. How the
//     peer wrote what was read, a Read does not tell.
//   - The order. What a Read brought stands behind every Write that the peer can
//     have known of, even one that had not returned yet.
//   - The time, that of the Read's return or of the Write's begin: never going
//     back, whatever is done to the system's clock.
//   - Who ended the connection first, and whether with FIN or RST. Behind our
//     own Close nobody looks: there the peer's FIN is made up.
//
// All other fields are made up and tell nothing of the network. A connection is
// taken to begin with [Capture.Conn]. One whose two ends are both recorded is in
// the capture twice.
//
// # Secrets
//
// A reader needs secrets before the packets that they open, and they come a little
// after: so packets wait for two seconds, or until 4 MiB of them wait. What a
// program that is killed recorded last is therefore missing from the file.
//
// # Files that are slow or broken
//
// A goroutine of the Capture does all the writing. An error of the file ends the
// recording and no more: [Capture.Close] returns it. A file that is slower than
// the sessions slows them down, once 16 MiB wait for it. After one that takes
// nothing for a second nobody waits; what finds no room is then left out, as a
// gap in the sequence numbers, and Close says so.
package record
