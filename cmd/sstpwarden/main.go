// Sstpwarden recognises SSTP, Microsoft's VPN inside HTTPS, and lets a policy
// say what is to be done with it.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"
	_ "time/tzdata" // policies name time zones, and not every machine has them

	"github.com/spf13/cobra"
)

// Exit statuses, the same for every command.
const (
	exitOK     = 0
	exitFailed = 1 // something could not be read or done; the rest was
	exitUsage  = 2 // flags or arguments make no sense; nothing was done
	exitFound  = 3 // --fail-on was met
)

// An exitError ends the program with a status. Nothing is printed where err
// is nil, because it was said before.
type exitError struct {
	status int
	err    error
	hint   bool // --help would have told
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit status %d", e.status)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

func usageError(format string, args ...any) error {
	return &exitError{exitUsage, fmt.Errorf(format, args...), true}
}

func main() {
	// The first signal ends what runs in good order, another at once. Signals
	// that come right behind the first count as one: timeout(1) sends two.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, func() { time.AfterFunc(time.Second, stop) })
	os.Exit(run(ctx, os.Args[1:]))
}

// run runs a command line and gives the exit status.
func run(ctx context.Context, args []string) int {
	root := newRoot()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	status := exitUsage // what cobra itself finds wrong
	if e, ok := errors.AsType[*exitError](err); ok {
		status = e.status
		if e.err == nil {
			return status
		}
	}
	fmt.Fprintf(os.Stderr, "sstpwarden: %s\n", escapeLines(err.Error()))
	if e, ok := errors.AsType[*exitError](err); !ok || e.hint {
		fmt.Fprintln(os.Stderr, "Try --help.")
	}
	return status
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "sstpwarden",
		Short: "Recognise SSTP, Microsoft's VPN inside HTTPS, and say what is to be done with it",
		Long: `sstpwarden finds SSTP (PPP over HTTPS on port 443) by what it says in clear,
by what opened TLS holds, and with no keys at all by the sizes and order of
TLS records; a policy (OPA) then allows, logs or drops it.

Exit status: 0 done, 1 something could not be read or done, 2 wrong usage,
3 --fail-on was met.`,
		Version:       version(),
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return cmd.Help()
		},
	}
	root.SetVersionTemplate("sstpwarden {{.Version}}\n")
	root.AddCommand(newAudit(), newPolicy(), newRules())
	return root
}

func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(devel)"
	}
	return info.Main.Version
}
