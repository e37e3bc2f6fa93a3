package httphead

import "strings"

// A Field is one field of a head (RFC 9110, Section 5).
type Field struct {
	Name string // spelled as sent; empty for a line without a colon
	// Value has its surrounding white space removed and its continuation lines
	// joined by one space each. For a line without a colon it is the line.
	Value string
}

// Fields are the fields of a head in the order sent. Names may repeat.
type Fields []Field

// Get returns the value of the first field of that name, in any case; empty if
// there is none.
func (f Fields) Get(name string) string {
	for i := range f {
		if equalFold(f[i].Name, name) {
			return f[i].Value
		}
	}
	return ""
}

// Values returns the values of all fields of that name, in any case and in the
// order sent; nil if there is none.
func (f Fields) Values(name string) []string {
	var values []string
	for i := range f {
		if equalFold(f[i].Name, name) {
			values = append(values, f[i].Value)
		}
	}
	return values
}

// Lookup returns the first field whose name has the same [NormalizedName] as
// name, and whether there is one. It finds SSTPVERSION, SSTP_VERSION and
// Sstp-Version by any of these.
func (f Fields) Lookup(name string) (Field, bool) {
	for i := range f {
		if f[i].Name != "" && SameName(f[i].Name, name) {
			return f[i], true
		}
	}
	return Field{}, false
}

// NormalizedName returns name without '-' and '_' and with the letters A to Z in
// lower case: the same for all spellings of a name that differ only in these.
func NormalizedName(name string) string {
	if strings.IndexFunc(name, func(r rune) bool { return r == '-' || r == '_' || 'A' <= r && r <= 'Z' }) < 0 {
		return name
	}
	b := make([]byte, 0, len(name))
	for i := range len(name) {
		if c := name[i]; !joins(c) {
			b = append(b, lower(c))
		}
	}
	return string(b)
}

// SameName reports whether a and b have the same [NormalizedName].
func SameName(a, b string) bool {
	for i, j := 0, 0; ; i, j = i+1, j+1 {
		for i < len(a) && joins(a[i]) {
			i++
		}
		for j < len(b) && joins(b[j]) {
			j++
		}
		if i == len(a) || j == len(b) {
			return i == len(a) && j == len(b)
		}
		if lower(a[i]) != lower(b[j]) {
			return false
		}
	}
}

// joins says that c stands between the words of a name.
func joins(c byte) bool { return c == '-' || c == '_' }

// equalFold is strings.EqualFold for ASCII alone: 'K' is not the Kelvin sign in
// a name.
func equalFold(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		if lower(a[i]) != lower(b[i]) {
			return false
		}
	}
	return true
}

// parseFields parses the field lines in s, which ends with the empty line.
// count bounds their number.
func parseFields(s string, count int) (Fields, Oddity) {
	var odd Oddity
	fields := make(Fields, 0, count)
	for {
		line, rest, o := nextLine(s)
		odd |= o
		if line == "" {
			return fields, odd
		}
		s = rest
		if isSpace(line[0]) {
			odd |= SpaceBeforeFields // later ones are taken with their field below
			continue
		}
		f, o := parseField(line)
		odd |= o
		if isSpace(s[0]) {
			odd |= ObsFold
			f.Value, s, o = unfold(f.Value, s)
			odd |= o
		}
		fields = append(fields, f)
	}
}

// parseField parses one field line (RFC 9112, Section 5):
//
//	field-line = field-name ":" OWS field-value OWS
func parseField(line string) (Field, Oddity) {
	name, value, ok := strings.Cut(line, ":")
	if !ok {
		return Field{Value: trimSpace(line)}, MissingColon
	}
	var odd Oddity
	trimmed := strings.TrimRight(name, " \t")
	if len(trimmed) != len(name) {
		odd |= SpaceBeforeColon
	}
	if !isToken(trimmed) {
		odd |= InvalidFieldName
	}
	return Field{Name: trimmed, Value: trimSpace(value)}, odd
}

// unfold adds the continuation lines at the start of s to value and returns what
// follows them (RFC 9112, Section 5.2).
func unfold(value, s string) (joined, rest string, odd Oddity) {
	b := []byte(value)
	for isSpace(s[0]) {
		line, after, o := nextLine(s)
		odd |= o
		s = after
		if part := trimSpace(line); part != "" {
			if len(b) > 0 {
				b = append(b, ' ')
			}
			b = append(b, part...)
		}
	}
	return string(b), s, odd
}

// nextLine cuts the first line off s, which has one, and tells what its bytes
// and its line end make odd.
func nextLine(s string) (line, rest string, odd Oddity) {
	line, rest, _ = strings.Cut(s, "\n")
	line, bare := cutLineEnd(line)
	if bare {
		odd |= BareLF
	}
	for i := range len(line) {
		odd |= lineOddities[line[i]]
	}
	return line, rest, odd
}
