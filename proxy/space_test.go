package proxy

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"testing"
)

// A script reads pieces of certain lengths, or as long as there is space.
type script struct {
	pieces []int
	spaces []int // that it was given
	err    error
}

func (s *script) Read(p []byte) (int, error) {
	s.spaces = append(s.spaces, len(p))
	if len(s.pieces) == 0 {
		return 0, s.err
	}
	n := min(s.pieces[0], len(p))
	s.pieces = s.pieces[1:]
	for i := range p[:n] {
		p[i] = byte(len(s.spaces))
	}
	return n, nil
}

// TestCarryAll has the space grow with what comes, and what waits for more hold
// little.
func TestCarryAll(t *testing.T) {
	broken := errors.New("broken")
	for _, c := range []struct {
		name   string
		pieces []int
		err    error
		spaces []int
	}{
		{"nothing", nil, io.EOF, []int{chunkLen}},
		{"little", []int{1, 1, chunkLen - 1}, io.EOF, []int{chunkLen, chunkLen, chunkLen, chunkLen}},
		{"much", []int{chunkLen, largeLen, largeLen, 40_000, 7, chunkLen}, io.EOF, []int{chunkLen, largeLen, largeLen, largeLen, largeLen, chunkLen, largeLen}},
		{"broken", []int{chunkLen}, broken, []int{chunkLen, largeLen}},
	} {
		src := &script{pieces: c.pieces, err: c.err}
		var want, got bytes.Buffer
		for i, n := range c.pieces {
			want.Write(bytes.Repeat([]byte{byte(i + 1)}, n))
		}
		n, err := carryAll(&got, src)
		if wantErr := c.err; errors.Is(wantErr, io.EOF) {
			if err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
		} else if !errors.Is(err, wantErr) {
			t.Errorf("%s: %v", c.name, err)
		}
		if n != int64(want.Len()) || !bytes.Equal(got.Bytes(), want.Bytes()) {
			t.Errorf("%s: %d bytes of %d, or others", c.name, n, want.Len())
		}
		if !slices.Equal(src.spaces, c.spaces) {
			t.Errorf("%s: space for %v, not %v", c.name, src.spaces, c.spaces)
		}
	}
}
