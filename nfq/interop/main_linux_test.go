package interop

import (
	"testing"

	"sstpwarden/pcaps/netlab/labtest"
)

func TestMain(m *testing.M) { labtest.Main(m) }
