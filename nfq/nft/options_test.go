package nft

import (
	"errors"
	"strings"
	"syscall"
	"testing"
)

func TestMode(t *testing.T) {
	for _, m := range []Mode{Redirect, TPROXY} {
		if got, err := ParseMode(m.String()); got != m || err != nil {
			t.Errorf("%v: %v, %v", m, got, err)
		}
	}
	if _, err := ParseMode("TPROXY"); err == nil || Mode(0).String() != "Mode(0)" {
		t.Errorf("%v, %v", err, Mode(0))
	}
}

func TestProxyOptionsValidate(t *testing.T) {
	for _, test := range []struct {
		o    ProxyOptions
		want string // "" for valid
	}{
		{ProxyOptions{Mode: Redirect, Port: 1}, ""},
		{ProxyOptions{Mode: TPROXY, Port: 65535}, ""},
		{ProxyOptions{Mode: Redirect, Port: 1, Local: true, Mark: 1, Mask: 1}, ""},
		{ProxyOptions{Mode: TPROXY, Port: 1, Mark: 1, Mask: 3, Table: 100}, ""},
		{ProxyOptions{Port: 1}, "neither redirect nor tproxy"},
		{ProxyOptions{Mode: 3, Port: 1}, "neither redirect nor tproxy"},
		{ProxyOptions{Mode: Redirect}, "port is missing"},
		{ProxyOptions{Mode: Redirect, Port: 1, Mark: 1}, "within mask"},
		{ProxyOptions{Mode: Redirect, Port: 1, Mask: 1}, "within mask"},
		{ProxyOptions{Mode: Redirect, Port: 1, Mark: 3, Mask: 6}, "within mask"},
		{ProxyOptions{Mode: TPROXY, Port: 1, Mark: 1, Mask: 1}, "two marks"},
		{ProxyOptions{Mode: TPROXY, Port: 1, Local: true}, "redirect only"},
		{ProxyOptions{Mode: TPROXY, Port: 1, Table: 254}, "routing table"},
		{ProxyOptions{Mode: TPROXY, Port: 1, Table: -1}, "routing table"},
		{ProxyOptions{Mode: Redirect, Port: 1, Scope: Scope{Interfaces: []string{"a b"}}}, "scope"},
	} {
		err := test.o.Validate()
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%+v: %v; want %q", test.o, err, test.want)
		}
	}
}

func TestDivert(t *testing.T) {
	if got := (ProxyOptions{}).Divert(); got != 0x2000_0000 {
		t.Errorf("by default %#x", got)
	}
	if got := (ProxyOptions{Mark: 0x100, Mask: 0x700}).Divert(); got != 0x600 {
		t.Errorf("%#x", got)
	}
}

func TestUnsupportedError(t *testing.T) {
	err := error(&UnsupportedError{Missing: []Feature{
		{Name: "tproxy", Need: "CONFIG_NFT_TPROXY", Err: syscall.ENOENT},
		{Name: "owner", Need: "Linux 5.12", Optional: "tables stay", Err: syscall.EOPNOTSUPP},
	}})
	if !errors.Is(err, errors.ErrUnsupported) || !errors.Is(err, syscall.ENOENT) {
		t.Errorf("%v is not what it is", err)
	}
	for _, want := range []string{"tproxy: missing (no such file or directory): CONFIG_NFT_TPROXY", "owner: missing", "without it tables stay"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %q", err, want)
		}
	}
	if got := (Feature{Name: "fib"}).String(); got != "fib: ok" {
		t.Error(got)
	}
}
