//go:build interop

package uml

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

//go:embed preload/xstate.c
var preloadSource []byte

// buildPreload compiles the library that lets a kernel of before Linux 6.13
// run on processors with AMX, and returns its path.
func buildPreload(ctx context.Context, dir string) (string, error) {
	source, library := filepath.Join(dir, "xstate.c"), filepath.Join(dir, "xstate.so")
	if err := os.WriteFile(source, preloadSource, 0o644); err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, "cc", "-O2", "-Wall", "-shared", "-fPIC", "-o", library, source)
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("compiling %s: %w (install Debian's packages gcc and libc6-dev)\n%s", source, err, out)
	}
	return library, nil
}
