package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"sstpwarden/cmd/cli"
	"sstpwarden/policies"
	"sstpwarden/policies/event"
)

func newPolicyInit() *cobra.Command {
	var example string
	cmd := &cobra.Command{
		Use:   "init [flags] DIR",
		Short: "Write the default policies out for editing",
		Long: `Init writes the policies that are built in to a new folder, with their tests,
or one of the worked examples. It overwrites nothing.`,
		Example: `  sstpwarden policy init my-policies
  sstpwarden policy init --example log-only my-policies`,
		Args: takes(1, 1, "the folder to write"),
		RunE: func(cmd *cobra.Command, args []string) error {
			set, err := policySet(example)
			if err != nil {
				return err
			}
			if err := writeSet(args[0], set); err != nil {
				return &cli.ExitError{Status: cli.ExitFailed, Err: err}
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: written. Next: sstpwarden policy test %[1]s; sstpwarden audit --policy %[1]s FILE\n", event.Printable(args[0]))
			return printed(err)
		},
	}
	cmd.Flags().StringVar(&example, "example", "", "write this example: "+strings.Join(policies.Examples(), ", "))
	return cmd
}

func policySet(example string) (fs.FS, error) {
	if example == "" {
		return policies.Default, nil
	}
	set, err := policies.Example(example)
	if err != nil {
		return nil, cli.Usagef("policy init: there is no example %s: use %s", example, strings.Join(policies.Examples(), ", "))
	}
	return set, nil
}

// writeSet writes a set and the schema of what policies are asked with to a
// folder that is new or empty.
func writeSet(dir string, set fs.FS) error {
	entries, err := os.ReadDir(dir)
	switch {
	case err == nil && len(entries) > 0:
		return fmt.Errorf("writing policies: %s is not empty: name a new folder", dir)
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("writing policies: %w", err)
	}
	err = fs.WalkDir(set, ".", func(name string, entry fs.DirEntry, err error) error {
		to := filepath.Join(dir, filepath.FromSlash(name))
		switch {
		case err != nil:
			return err
		case entry.IsDir():
			return os.MkdirAll(to, 0o755)
		}
		from, err := set.Open(name)
		if err != nil {
			return err
		}
		defer func() { _ = from.Close() }() // it was only read
		text, err := io.ReadAll(from)
		if err != nil {
			return err
		}
		return os.WriteFile(to, text, 0o644)
	})
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "input.schema.json"), policies.InputSchema, 0o644)
	}
	if err != nil {
		return fmt.Errorf("writing policies: %w", err)
	}
	return nil
}
