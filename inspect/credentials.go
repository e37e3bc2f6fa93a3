package inspect

import (
	"strings"

	"sstpwarden/inspect/httphead"
)

// withheld stands in facts for what is nobody's business.
const withheld = "..."

// withoutCredentials gives fields as facts may have them: of a field that
// carries credentials only the scheme is left.
func withoutCredentials(fields httphead.Fields) httphead.Fields {
	out := make(httphead.Fields, len(fields))
	secret := false
	for i, f := range fields {
		if f.Name != "" || i == 0 {
			secret = carriesCredentials(f.Name)
		}
		if secret { // sstpc breaks its base64 over lines that have no name
			f.Value = scheme(f)
		}
		out[i] = f
	}
	return out
}

func carriesCredentials(name string) bool {
	switch httphead.NormalizedName(name) {
	case "authorization", "proxyauthorization", "authenticationinfo", "proxyauthenticationinfo", "cookie", "setcookie":
		return true
	}
	return false
}

// scheme gives the first word of credentials: "Basic", "Negotiate".
func scheme(f httphead.Field) string {
	word, _, more := strings.Cut(f.Value, " ")
	if !more || !strings.Contains(strings.ToLower(f.Name), "authorization") {
		return withheld
	}
	return word + " " + withheld
}
