// Package capfile reads capture files, one packet after the other, and writes
// pcapng.
//
// A Reader takes pcap (microseconds or nanoseconds, either byte order) and
// pcapng (any number of sections and interfaces), plain or compressed with
// gzip or zstd. What a file is, its first bytes decide and never its name.
//
//	r, err := capfile.Open("office.pcapng.zst", capfile.Options{})
//	if err != nil {
//		return err
//	}
//	defer r.Close()
//	for {
//		p, err := r.Next()
//		if err == io.EOF {
//			break
//		}
//		if err != nil {
//			return err // says which file, where, and what can be done
//		}
//		use(p.Time, p.Link, p.Data)
//	}
//
// [Reader.NextBatch] gives many packets at a time, whose bytes stay while
// others are read: for consumers that work beside the Reader.
//
// A [Writer] writes packets to a new file. What a file knows of a packet beyond
// the [Packet], [Reader.Origin] tells: with both, a packet is written as it
// stood.
//
// # Memory
//
// A capture is input that nobody vouches for. The Reader streams: it holds no
// more than a window of the file, one for each Batch in use, takes no more than fixed buffers for bytes that a
// length field claims and that have not come, and allocates nothing per packet. The limits are a packet
// of MaxPacket bytes, decryption secrets of MaxSecrets bytes a file and a zstd
// window of MaxZstdWindow bytes.
//
// # Errors
//
// A damaged or cut off file gives an [*Error], after every packet before the
// damage was returned. An error is final: a length that is wrong leaves no way to tell where
// the next record begins, so Next repeats it.
//
// # What it does not do
//
// It decodes no packet, follows no file that grows, reads no other formats
// (snoop, ERF, ETL, Network Monitor) and does not look into archives: for the
// common ones the error names them and how to convert them. Of pcapng it reads
// packets and decryption secrets; names, comments and statistics are passed over.
//
// The formats are those of draft-ietf-opsawg-pcap and draft-ietf-opsawg-pcapng;
// section numbers in this package are theirs. The readers of gopacket's pcapgo
// are not used because its link type is 8 bits wide (linux-sll2 is 276), a cut
// off pcapng looks like a whole one to it, and lengths and time resolutions
// that a hostile file claims make it panic or allocate gigabytes.
package capfile
