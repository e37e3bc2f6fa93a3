package interop

import (
	"fmt"
	"os"
	"testing"

	"sstpwarden/pcaps/netlab/labtest"
)

// roleVariable tells a run of this binary that it is a program in a lab, and which.
const roleVariable = "INTEROP_ROLE"

// roles are these programs. They are needed where a test alone has too few files
// to open.
var roles = map[string]func() error{roleHold: hold}

func TestMain(m *testing.M) {
	role := roles[os.Getenv(roleVariable)]
	if role == nil {
		labtest.Main(m)
	}
	if err := role(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
