package matrix

import (
	"fmt"

	"sstpwarden/policies/nearest"
)

// instead says what may stand in the place of a word: the one that was probably meant,
// else all of them.
func instead(word string, known []string) string {
	if w := nearest.Word(word, known); w != "" {
		return fmt.Sprintf("did you mean %s?", w)
	}
	return "there are " + join(known)
}
