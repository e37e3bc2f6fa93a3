// Package cli is what both programs have in common at the command line: exit
// statuses, signals, and how errors are told.
package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"sstpwarden/policies/event"
)

// Exit statuses, the same for every command.
const (
	ExitOK     = 0
	ExitFailed = 1 // something could not be read or done; the rest was
	ExitUsage  = 2 // flags or arguments make no sense; nothing was done
	ExitFound  = 3 // --fail-on was met
)

// An ExitError ends the program with a status. Nothing is printed where Err
// is nil, because it was said before.
type ExitError struct {
	Status int
	Err    error
	Hint   bool // --help would have told
}

func (e *ExitError) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("exit status %d", e.Status)
	}
	return e.Err.Error()
}

// Unwrap returns Err.
func (e *ExitError) Unwrap() error { return e.Err }

// Usagef returns the error of flags or arguments that make no sense.
func Usagef(format string, args ...any) error {
	return &ExitError{ExitUsage, fmt.Errorf(format, args...), true}
}

// NoArgs refuses arguments. Of a command with others below it they are taken for the
// name of one.
func NoArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 || cmd.HasSubCommands() {
		return cobra.NoArgs(cmd, args)
	}
	name := strings.TrimPrefix(cmd.CommandPath(), cmd.Root().Name()+" ")
	return Usagef("%s: %q: it takes no arguments; is there a flag missing before it?", name, args[0])
}

// Main runs root with the program's arguments, and ends the program.
func Main(root *cobra.Command) {
	// The first signal ends what runs in good order, another at once. Signals
	// that come right behind the first count as one: timeout(1) sends two.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, func() { time.AfterFunc(time.Second, stop) })
	os.Exit(Run(ctx, root, os.Args[1:]))
}

// Run runs a command line, tells the error and gives the exit status.
func Run(ctx context.Context, root *cobra.Command, args []string) int {
	root.Version = Version()
	root.SilenceErrors, root.SilenceUsage = true, true
	root.SetVersionTemplate(root.Name() + " {{.Version}}\n")
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return ExitOK
	}
	status := ExitUsage // what cobra itself finds wrong
	e, ours := errors.AsType[*ExitError](err)
	if ours {
		status = e.Status
		if e.Err == nil {
			return status
		}
	}
	fmt.Fprintf(os.Stderr, "%s: %s\n", root.Name(), Printable(err.Error()))
	if !ours || e.Hint {
		fmt.Fprintln(os.Stderr, "Try --help.")
	}
	return status
}

// Printable is event.Printable for text of several lines, each of which tells of
// something.
func Printable(s string) string {
	lines := strings.Split(s, "\n")
	for i := range lines {
		lines[i] = event.Printable(lines[i])
	}
	return strings.Join(lines, "\n")
}

// Version is the program's, as it was built.
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(devel)"
	}
	return info.Main.Version
}
