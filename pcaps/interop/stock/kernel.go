//go:build interop

package stock

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

//go:embed init.sh
var initScript string

// A kernel is Debian's, unpacked in a folder, with an initial RAM disk that boots to
// this machine's file tree.
type kernel struct {
	image, initrd, modules string // modules holds the folder of its release
}

// busybox is what the initial RAM disk runs on: linked statically.
const busybox = "/bin/busybox"

// first are the modules that it takes to get at the file tree.
var first = []string{"virtio_pci", "9pnet_virtio", "9p", "overlay"}

// unpack gives the kernel in dir, and gets it there first if it has to.
func unpack(ctx context.Context, dir string) (*kernel, error) {
	k := &kernel{modules: filepath.Join(dir, "tree", "lib", "modules")}
	if _, err := os.Stat(filepath.Join(dir, "tree", "boot")); err != nil {
		if err := fetch(ctx, dir); err != nil {
			return nil, err
		}
	}
	releases, err := os.ReadDir(k.modules)
	if err != nil || len(releases) != 1 {
		return nil, errors.Join(fmt.Errorf("%s holds %d kernels, want one", k.modules, len(releases)), err)
	}
	release := releases[0].Name()
	k.image = filepath.Join(dir, "tree", "boot", "vmlinuz-"+release)
	k.initrd = filepath.Join(dir, "initrd")
	return k, k.pack(ctx, release)
}

// fetch gets the package that linux-image-amd64 stands for, and unpacks it.
func fetch(ctx context.Context, dir string) error {
	out, err := output(ctx, dir, "apt-cache", "depends", "linux-image-amd64")
	if err != nil {
		return err
	}
	name := ""
	for line := range strings.Lines(out) {
		if what, ok := strings.CutPrefix(strings.TrimSpace(line), "Depends: "); ok {
			name = what
			break
		}
	}
	if name == "" {
		return errors.New("apt-cache knows no linux-image-amd64: run apt-get update")
	}
	if _, err := output(ctx, dir, "apt-get", "download", name); err != nil {
		return err
	}
	archives, err := filepath.Glob(filepath.Join(dir, name+"_*.deb"))
	if err != nil || len(archives) != 1 {
		return errors.Join(fmt.Errorf("apt-get left %d packages of %s", len(archives), name), err)
	}
	// Under another name until it is whole.
	if _, err := output(ctx, dir, "dpkg", "-x", archives[0], "unpacking"); err != nil {
		return err
	}
	release := strings.TrimPrefix(name, "linux-image-")
	if _, err := output(ctx, dir, "depmod", "-b", "unpacking", release); err != nil {
		return err
	}
	return errors.Join(os.Remove(archives[0]), os.Rename(filepath.Join(dir, "unpacking"), filepath.Join(dir, "tree")))
}

// pack makes the initial RAM disk.
func (k *kernel) pack(ctx context.Context, release string) error {
	root, err := os.MkdirTemp("", "sstpwarden-initrd-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(root) }()
	for _, name := range []string{"bin", "modules", "proc", "sys", "dev", "low", "top", "new"} {
		if err := os.Mkdir(filepath.Join(root, name), 0o755); err != nil {
			return err
		}
	}
	steps := append([]string{"-d", filepath.Join(k.modules, "..", ".."), "-S", release, "--show-depends", "-a"}, first...)
	depends, err := output(ctx, root, "modprobe", steps...)
	if err != nil {
		return err
	}
	var order []string
	seen := map[string]bool{}
	for line := range strings.Lines(depends) {
		path, ok := strings.CutPrefix(strings.TrimSpace(line), "insmod ")
		if path = strings.TrimSpace(path); !ok || seen[path] {
			continue
		}
		seen[path] = true
		order = append(order, filepath.Base(path))
		if err := copyFile(filepath.Join(root, "modules", filepath.Base(path)), path); err != nil {
			return err
		}
	}
	if err := errors.Join(
		copyFile(filepath.Join(root, "bin", "busybox"), busybox),
		os.WriteFile(filepath.Join(root, "modules", "order"), []byte(strings.Join(order, "\n")), 0o644),
		os.WriteFile(filepath.Join(root, "init"), []byte(initScript), 0o755),
	); err != nil {
		return err
	}
	_, err = output(ctx, root, "sh", "-c", `find . | cpio -o -H newc --quiet >"$1"`, "sh", k.initrd)
	return err
}

func copyFile(to, from string) error {
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, b, 0o755)
}

// output runs a program in a folder, and gives what it prints.
func output(ctx context.Context, dir, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, bytes.TrimSpace(stderr.Bytes()))
	}
	return string(out), nil
}
