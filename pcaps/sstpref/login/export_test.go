package login

// Read adds the users of a file's text.
func (u *Users) Read(path string, text []byte) error { return u.read(path, text) }
