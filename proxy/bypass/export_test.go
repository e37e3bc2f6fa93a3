package bypass

// Decode gives the entries of a file's text.
func Decode(text []byte) ([]Entry, error) { return decode(text) }

// Pending is how many clients and names rejections are counted of.
func (l *List) Pending() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.rejections.len()
}

// Encode gives the text of a file with the entries.
func Encode(entries []Entry) ([]byte, error) { return encode(stored{fileVersion, entries}) }
