package export

import (
	"fmt"
	"strings"

	"sstpwarden/inspect"
)

// maxCombinations bounds what one rule becomes where an engine takes one value
// of each list.
const maxCombinations = 256

// A choice is a list of which one is to match: the others of a combination are
// put in its place, one after the other.
type choice struct {
	name string
	list *[]string
}

func headChoices(m *inspect.HeadMatch) []choice {
	return []choice{
		{"method", &m.Method},
		{"path", &m.Path},
		{"header", &m.Header},
		{"header_order", &m.HeaderOrder},
		{"value", &m.Value},
		{"server", &m.Server},
		{"response_order", &m.ResponseOrder},
	}
}

func helloChoices(m *inspect.HelloMatch) []choice {
	return []choice{
		{"sni", &m.SNI},
		{"ja3", &m.JA3},
		{"ja3s", &m.JA3S},
		{"ja4", &m.JA4},
		{"offers", &m.Offers},
		{"chosen", &m.Chosen},
	}
}

func certificateChoices(m *inspect.CertificateMatch) []choice {
	return []choice{
		{"subject", &m.Subject},
		{"issuer", &m.Issuer},
		{"name", &m.Name},
		{"sha256", &m.SHA256},
	}
}

// combinations calls each with every way to take one value of each list of m,
// which the lists then hold alone. Key tells a combination from the others by
// the values of the lists that have more than one: where they stand has no
// part in it, so that it stays when a value is added.
func combinations[M any](m M, choices func(*M) []choice, each func(m *M, key string) error) error {
	lists := choices(&m)
	n := 1
	for _, c := range lists {
		if n *= max(1, len(*c.list)); n > maxCombinations {
			return fmt.Errorf("its lists make more than %d combinations: part them into several rules", maxCombinations)
		}
	}
	for i := range n {
		one := m
		var key []string
		for _, c := range choices(&one) {
			if len(*c.list) < 2 {
				continue
			}
			value := (*c.list)[i%len(*c.list)]
			i /= len(*c.list)
			key = append(key, c.name+"="+value)
			*c.list = []string{value}
		}
		if err := each(&one, strings.Join(key, "\x00")); err != nil {
			return err
		}
	}
	return nil
}
