package inspect

// KeyLog gives the lines of a key log that open the flow's TLS, as far as
// Options.Keys knows them: see [tlskeys.Opener.KeyLog]. It is nil where there
// are none, and where the flow was settled or nothing could be opened: with
// Options.Follow, a flow whose TLS was opened is not settled before its end.
func (f *Flow) KeyLog() []byte {
	var lines []byte
	for l := f.layer; l != nil; {
		switch at := l.(type) {
		case *opening:
			l = at.next
		case *preface:
			l = at.next
		case *httpLayer:
			l = at.inner
		case *tlsLayer:
			if at.opener != nil {
				lines = append(lines, at.opener.KeyLog()...)
			}
			l = at.inner
		default:
			return lines
		}
	}
	return lines
}
