//go:build interop

package stock

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
)

const emulator = "qemu-system-x86_64" // Debian: qemu-system-x86

// Machine says how to run a guest. Dir and Kernel are required.
type Machine struct {
	// Dir is the folder that the guest sees as /out. The guest's console is
	// kept there, in the file console.
	Dir string
	// Kernel is a folder for the kernel, which is got from Debian's archive if it is
	// not there.
	Kernel string
	// Memory of the guest in MiB, what its tmpfs hold included; 0 stands for 2048.
	Memory int
	// Output takes what the script writes, standard output and error alike,
	// as it comes; nil for nowhere.
	Output io.Writer
}

// Run boots a guest, runs the script there with bash and returns its exit
// status. The error is non-nil if there is none: the guest did not boot, did
// not finish, or ctx ended. In each case no process is left behind.
func (m *Machine) Run(ctx context.Context, script string) (status int, err error) {
	status, err = m.run(ctx, script)
	if err != nil {
		err = fmt.Errorf("stock: %w", err)
	}
	return status, err
}

func (m *Machine) run(ctx context.Context, script string) (int, error) {
	dir, err := filepath.Abs(m.Dir)
	if err != nil {
		return 0, err
	}
	folder, err := filepath.Abs(m.Kernel)
	if err != nil {
		return 0, err
	}
	if strings.Contains(dir+folder, ",") {
		return 0, fmt.Errorf("%q, %q: the emulator takes no folder with a comma in its path", dir, folder)
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return 0, err
	}
	k, err := unpack(ctx, folder)
	if err != nil {
		return 0, fmt.Errorf("getting the kernel: %w", err)
	}
	statusFile := filepath.Join(dir, "status")
	if err := errors.Join(os.WriteFile(filepath.Join(dir, "script"), []byte(script), 0o644), os.RemoveAll(statusFile)); err != nil {
		return 0, err
	}
	ended := m.emulate(ctx, k, dir)
	text, err := os.ReadFile(statusFile)
	if err != nil {
		console, _ := os.ReadFile(filepath.Join(dir, "console")) // it says why, if it is there
		return 0, errors.Join(errors.New("the guest did not finish"), context.Cause(ctx), ended, fmt.Errorf("its console ends:\n%s", console[max(0, len(console)-2000):]))
	}
	return strconv.Atoi(strings.TrimSpace(string(text)))
}

// emulate runs the machine to its end.
func (m *Machine) emulate(ctx context.Context, k *kernel, dir string) error {
	memory := m.Memory
	if memory == 0 {
		memory = 2048
	}
	share := func(path, tag, how string) string {
		return fmt.Sprintf("local,path=%s,mount_tag=%s,security_model=none,%s", path, tag, how)
	}
	// Pdeathsig goes by the thread that started the process.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd := exec.CommandContext(ctx, emulator,
		"-accel", "tcg,thread=multi", "-cpu", "max", "-smp", strconv.Itoa(min(4, runtime.NumCPU())), "-m", strconv.Itoa(memory),
		"-nodefaults", "-display", "none", "-no-reboot",
		"-serial", "file:"+filepath.Join(dir, "console"), "-serial", "stdio",
		"-kernel", k.image, "-initrd", k.initrd, "-append", "console=ttyS0 quiet panic=-1",
		"-virtfs", share("/", "host", "readonly=on,multidevs=remap"),
		"-virtfs", share(dir, "out", "multidevs=remap"),
		"-virtfs", share(k.modules, "modules", "readonly=on"),
	)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.Stdout = m.Output
	var stderr strings.Builder
	cmd.Stderr = &stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%w: %s", err, strings.TrimSpace(stderr.String()))
	}
	return nil
}
