//go:build interop

package uml

import (
	"bufio"
	"bytes"
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

// kernel is the name of Debian's User-Mode Linux, package user-mode-linux.
const kernel = "linux.uml"

// Machine says how to run a guest. Dir is required.
type Machine struct {
	// Dir is the folder that the guest sees as /out. The guest's console is
	// kept there, in the file console.
	Dir string
	// Memory of the guest in MiB, what its tmpfs hold included; 0 stands for 1024.
	Memory int
	// Output takes what the script writes, standard output and error alike,
	// as it comes; nil for nowhere.
	Output io.Writer
}

// errFPState says that the kernel could not hand its processes their
// floating-point registers, because this processor has more of them than it knows.
var errFPState = errors.New("the processor's register state is larger than this kernel knows")

// Run boots a guest, runs the script there with bash and returns its exit
// status. The error is non-nil if there is none: the guest did not boot, did
// not finish, or ctx ended. In each case no process is left behind.
func (m *Machine) Run(ctx context.Context, script string) (status int, err error) {
	dir, err := filepath.Abs(m.Dir)
	if err != nil {
		return 0, fmt.Errorf("uml: %w", err)
	}
	if strings.ContainsAny(dir, " \t\n,\"") {
		return 0, fmt.Errorf("uml: %q: the kernel's command line takes no folder with spaces, commas or quotes in its path", dir)
	}
	if _, err := exec.LookPath(kernel); err != nil {
		return 0, fmt.Errorf("uml: %w: install Debian's package user-mode-linux", err)
	}
	if err := m.checkShm(); err != nil {
		return 0, err
	}
	if err := writeInit(dir, script); err != nil {
		return 0, fmt.Errorf("uml: writing the guest's init: %w", err)
	}
	status, err = m.boot(ctx, dir, "")
	if errors.Is(err, errFPState) {
		library, buildErr := buildPreload(ctx, dir)
		if buildErr != nil {
			return 0, fmt.Errorf("%w; the way around it: %w", err, buildErr)
		}
		status, err = m.boot(ctx, dir, library)
	}
	return status, err
}

func (m *Machine) memory() int {
	if m.Memory == 0 {
		return 1024
	}
	return m.Memory
}

// checkShm refuses a /dev/shm that cannot hold the guest's memory: the kernel
// takes it from there whatever its size, and dies by SIGBUS when it is full.
func (m *Machine) checkShm() error {
	var shm syscall.Statfs_t
	if err := syscall.Statfs("/dev/shm", &shm); err != nil {
		return nil // Without one the kernel goes elsewhere.
	}
	if room := shm.Bavail * uint64(shm.Bsize) >> 20; room < uint64(m.memory()) {
		return fmt.Errorf("uml: /dev/shm has room for %d MiB, the guest's memory needs %d: give a container --shm-size=%dm, or remount it larger",
			room, m.memory(), m.memory()+m.memory()/4)
	}
	return nil
}

// boot runs the kernel once.
func (m *Machine) boot(ctx context.Context, dir, preload string) (int, error) {
	console, err := os.Create(filepath.Join(dir, "console"))
	if err != nil {
		return 0, fmt.Errorf("uml: %w", err)
	}
	defer closeFiles(console)
	// Two of the guest's serial lines are pipes: one carries what the script
	// writes, the other its exit status at the end.
	output, outputEnd, err := os.Pipe()
	if err != nil {
		return 0, fmt.Errorf("uml: %w", err)
	}
	defer closeFiles(output)
	control, controlEnd, err := os.Pipe()
	if err != nil {
		closeFiles(outputEnd)
		return 0, fmt.Errorf("uml: %w", err)
	}
	defer closeFiles(control)

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	wait, err := start(func() *exec.Cmd {
		cmd := exec.CommandContext(ctx, kernel, m.arguments(dir)...)
		cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "LD_PRELOAD=" + preload}
		cmd.Stdout, cmd.Stderr = console, console
		cmd.ExtraFiles = []*os.File{outputEnd, controlEnd}
		return cmd
	})
	closeFiles(outputEnd, controlEnd)
	if err != nil {
		return 0, fmt.Errorf("uml: starting %s: %w", kernel, err)
	}
	copied := make(chan error, 1)
	go func() { copied <- m.copyOutput(output) }()
	line, readErr := bufio.NewReader(control).ReadString('\n')
	interrupted := ctx.Err()
	cancel()
	wait()
	err = <-copied
	switch {
	case readErr != nil:
		return 0, m.failure(dir, interrupted)
	case err != nil:
		return 0, fmt.Errorf("uml: passing on the guest's output: %w", err)
	}
	status, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		return 0, fmt.Errorf("uml: the guest's last word is no exit status: %q", line)
	}
	return status, nil
}

// arguments are the kernel's, which finds the two serial lines as files 3 and 4.
func (m *Machine) arguments(dir string) []string {
	return []string{
		fmt.Sprintf("mem=%dM", m.memory()),
		"rootfstype=hostfs", "rootflags=/", "ro", "init=" + filepath.Join(dir, initName),
		"con=null", "con0=null,fd:1", "ssl=null", "ssl0=null,fd:3", "ssl1=null,fd:4",
		"uml_dir=" + dir, "umid=uml", "quiet",
	}
}

func (m *Machine) copyOutput(output io.Reader) error {
	w := m.Output
	if w == nil {
		w = io.Discard
	}
	_, err := io.Copy(w, output)
	return err
}

// start starts the kernel so that neither it nor its own processes outlive this
// one: those are tracees, which would go on natively if their tracer just vanished.
// A PID namespace takes them along, and where the machine allows none, their
// process group has to do. The function returned waits for the end.
func start(command func() *exec.Cmd) (wait func(), err error) {
	started, ended := make(chan error), make(chan struct{})
	go func() {
		// Pdeathsig goes by the thread that started the process.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(ended)
		cmd := inNamespace(command())
		err := cmd.Start()
		if errors.Is(err, syscall.EPERM) {
			cmd = inGroup(command())
			err = cmd.Start()
		}
		started <- err
		if err == nil {
			_ = cmd.Wait() // the script's status counts, not how the kernel was ended
		}
	}()
	return func() { <-ended }, <-started
}

// inNamespace has a command run in a PID namespace, and a shell as the first
// process there: as that, the kernel could not abort itself when it panics.
func inNamespace(cmd *exec.Cmd) *exec.Cmd {
	cmd.Args = append([]string{"sh", "-c", `"$@"; exit`, "sh"}, cmd.Args...)
	cmd.Path, cmd.Err = exec.LookPath("sh")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID, Setpgid: true, Pdeathsig: syscall.SIGKILL}
	return cmd
}

// inGroup has it run in a process group. At SIGTERM the kernel ends its processes.
func inGroup(cmd *exec.Cmd) *exec.Cmd {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	return cmd
}

// closeFiles closes files whose content is not lost by it.
func closeFiles(files ...*os.File) {
	for _, f := range files {
		_ = f.Close() // it was read, or another process has it
	}
}

// failure says why there is no exit status.
func (m *Machine) failure(dir string, interrupted error) error {
	console, err := os.ReadFile(filepath.Join(dir, "console"))
	if err != nil {
		return fmt.Errorf("uml: %w", err)
	}
	switch {
	case interrupted != nil:
		return fmt.Errorf("uml: the guest was stopped: %w; its console: %s", interrupted, filepath.Join(dir, "console"))
	case bytes.Contains(console, []byte("ptrace set fp regs failed")):
		return fmt.Errorf("uml: %w", errFPState)
	}
	if i := bytes.Index(console, []byte("Kernel panic")); i >= 0 {
		console = console[i:]
	}
	return fmt.Errorf("uml: the guest ended before the script did; its console:\n%s", head(console, 30))
}

// head returns the first n lines of text.
func head(text []byte, n int) []byte {
	lines := bytes.SplitAfterN(text, []byte("\n"), n+1)
	return bytes.Join(lines[:min(n, len(lines))], nil)
}
