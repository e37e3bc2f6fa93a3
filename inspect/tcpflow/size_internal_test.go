package tcpflow

import (
	"testing"
	"unsafe"
)

// What a SYN flood costs: 224 is a size that the allocator has.
func TestConnSize(t *testing.T) {
	if n := unsafe.Sizeof(Conn{}); n > 224 {
		t.Errorf("a Conn takes %d bytes, want at most 224", n)
	}
}
