package inspect

import "sstpwarden/inspect/tlswire"

// applicationData takes a record whose size is the fact: those of the innermost
// TLS. What holds another session's records says nothing of its own.
func (l *tlsLayer) applicationData(f *Flow, s Segment, r tlswire.Record) {
	switch {
	case l.handshakeData(f, s, r):
	case f.session == l.facts:
		l.sized(f, s, r.Length)
	default:
		l.facts.Records[s.Direction.index()]++
	}
}

// sized takes the length of an application data record's fragment.
func (l *tlsLayer) sized(f *Flow, s Segment, fragment int) {
	l.records++
	l.facts.Records[s.Direction.index()]++
	size, exact, ok := l.plaintextSize(fragment)
	if !ok { // lengths say nothing: there is no set-up to search for
		f.note(onCount)
		if f.detection.Verdict == VerdictCleared && !l.facts.Opened {
			f.close()
		}
		l.giveUp(f)
		return
	}
	l.facts.SizesExact = exact
	happened := onCount
	if size.Hi > 0 {
		if f.idle.add(s.Direction, size, s.Time) {
			happened |= onIdle
		}
		if !f.obs.Midstream && f.dialogue.add(s.Direction, size, f.rules.settings.Window) {
			happened |= onRecordOf(s.Direction)
		}
	}
	f.note(happened)
	if f.detection.Verdict == VerdictCleared && f.decided() {
		f.close()
	}
	l.giveUp(f)
}

// giveUp lets a flow go that showed nothing for long.
func (l *tlsLayer) giveUp(f *Flow) {
	if l.records >= maxUndecided && !l.facts.Opened {
		f.close()
	}
}

// handshakeData says that a TLS 1.3 record that looks like application data
// belongs to the handshake: early data, the server's flight, the client's up
// to its Finished, whose length the suite's hash gives (RFC 8446, Section
// 4.4.4), and session tickets before the client first speaks.
func (l *tlsLayer) handshakeData(f *Flow, s Segment, r tlswire.Record) bool {
	if !l.tls13() {
		return false
	}
	side := &l.sides[s.Direction.index()]
	if s.Direction == ServerToClient {
		side.early++
		l.endFlight(f, s)
		if !f.obs.Seen[0] || len(f.dialogue.pieces) > 0 {
			return false
		}
		// Any number of tickets may come before the client speaks: what a
		// server of another protocol says first cannot be told from them.
		if l.sides[0].finished {
			l.records++
			l.giveUp(f)
		}
		return true
	}
	if side.finished {
		return false
	}
	if l.facts.ServerHello || !f.obs.Seen[1] {
		side.early++
	}
	side.finished = l.isFinished(r.Length) || side.early >= maxFlight
	if side.finished {
		l.flight = nil
	} else if l.facts.ServerHello && l.sides[1].early > 0 {
		l.flight = append(l.flight, uint16(r.Length))
	}
	return true
}

// endFlight ends the client's flight where the server speaks behind it and none
// of its records can be the Finished: that has no record of its own where a
// stack joins it with the client's certificate, in front of all that the client
// says. What came behind it was application data.
func (l *tlsLayer) endFlight(f *Flow, s Segment) {
	if len(l.flight) == 0 {
		return
	}
	said := l.flight[1:]
	l.flight, l.sides[0].finished = nil, true
	s.Direction = ClientToServer
	for _, n := range said {
		if !f.closed {
			l.sized(f, s, int(n))
		}
	}
}

// isFinished says that a TLS 1.3 record can hold a Finished message alone.
func (l *tlsLayer) isFinished(fragment int) bool {
	overhead := 4 + 1 + 16 // handshake header, content type, tag
	if l.facts.ServerHello {
		if n, _, ok := tlswire.PlaintextRange(l.facts.Version, l.suite, false, fragment); ok {
			overhead = 4 + fragment - n
		}
	}
	sha256, sha384 := fragment == overhead+32, fragment == overhead+48
	switch l.suite.PRF {
	case tlswire.HashSHA256:
		return sha256
	case tlswire.HashSHA384:
		return sha384
	default: // the suite is not known
		return sha256 || sha384
	}
}

func (l *tlsLayer) tls13() bool {
	if l.facts.ServerHello {
		return l.facts.Version >= tlswire.VersionTLS13
	}
	return l.facts.Hello && !l.legacyClient && l.finishedLen == 0
}

// plaintextSize gives what the length of a record's fragment tells of its
// plaintext.
func (l *tlsLayer) plaintextSize(fragment int) (s Size, exact, ok bool) {
	if l.facts.ServerHello {
		lo, hi, ok := tlswire.PlaintextRange(l.facts.Version, l.suite, l.facts.EncryptThenMAC, fragment)
		return Size{lo, hi}, l.suite.Cipher.BlockLen() == 0, ok
	}
	overhead := 0
	switch {
	case l.tls13():
		overhead = 1 + 16
	case l.finishedLen == 4+12+24: // AES-GCM, AES-CCM (RFC 5288, Section 3)
		overhead = 24
	case l.finishedLen == 4+12+16: // ChaCha20-Poly1305 (RFC 7905), CCM_8
		overhead = 16
	default:
		return sizeOfAnyAEAD(fragment)
	}
	n := fragment - overhead
	return Size{n, n}, true, n >= 0
}

// sizeOfAnyAEAD gives the size where the handshake was not seen: between the
// overheads of the AEAD suites.
func sizeOfAnyAEAD(fragment int) (s Size, exact, ok bool) {
	return Size{max(0, fragment-24), fragment - 16}, false, fragment >= 16
}
