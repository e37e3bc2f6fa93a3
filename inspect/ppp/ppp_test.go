package ppp_test

import (
	"encoding/hex"
	"net/netip"
	"strings"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"sstpwarden/inspect/ppp"
)

// unhex decodes hexadecimal digits in groups parted by spaces and line breaks.
func unhex(s string) []byte {
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		panic(err)
	}
	return b
}

func secret(s string) ppp.Secret { return ppp.NewSecret([]byte(s)) }

func secretHex(s string) ppp.Secret { return ppp.NewSecret(unhex(s)) }

// compare makes cmp look into values of the package. Secrets compare by their method Equal.
var compare = cmp.Options{cmpopts.EquateEmpty(), cmpopts.EquateComparable(netip.Addr{})}
