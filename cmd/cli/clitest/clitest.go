// Package clitest has what scripts of more than one program need.
package clitest

import (
	"os/exec"

	"github.com/rogpeppe/go-internal/testscript"
)

// Status returns a command that runs the program and wants an exit status: status
// 3 audit ...
func Status(program string) func(ts *testscript.TestScript, neg bool, args []string) {
	return func(ts *testscript.TestScript, _ bool, args []string) {
		if len(args) == 0 {
			ts.Fatalf("usage: status N ARG...")
		}
		err := ts.Exec(program, args[1:]...)
		got := 0
		if e, ok := err.(*exec.ExitError); ok { //nolint:errorlint // testscript hands it on as it is
			got = e.ExitCode()
		} else if err != nil {
			ts.Fatalf("%v", err)
		}
		if want := args[0]; want != string(rune('0'+got)) {
			ts.Fatalf("exit status %d, want %s", got, want)
		}
	}
}
