// Package nearest finds out what a person meant by a word that is not known. Packages that
// read what people write share it.
package nearest

import (
	"strings"

	"github.com/agnivade/levenshtein"
)

// maxLen bounds the words that are compared, in bytes: known ones are shorter.
const maxLen = 80

var simple = strings.NewReplacer("-", "", "_", "", " ", "")

// Word gives the word that was probably meant by one that is not among them, "" for
// none: what is left of case, hyphens, underscores and spaces differs by two letters at
// most, and by no more than half of the word, or is how it begins.
func Word(word string, words []string) string {
	if len(word) > maxLen {
		return ""
	}
	word = simple.Replace(strings.ToLower(word))
	best, least := "", 3
	for _, w := range words {
		s := simple.Replace(w)
		d := levenshtein.ComputeDistance(word, s)
		if len(word) > 2 && strings.HasPrefix(s, word) {
			d = min(d, 2)
		}
		if d < least && d <= max(1, len(s)/2) {
			best, least = w, d
		}
	}
	return best
}
