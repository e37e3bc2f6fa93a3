package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"sstpwarden/cmd/cli"
	"sstpwarden/cmd/daemon"
	"sstpwarden/policies/event"
)

func newConfig() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Write and check the configuration of proxy and nfq, and systemd's units",
		Args:  cli.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newConfigCheck(), newConfigExample(), newConfigUnit())
	return cmd
}

func newConfigCheck() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "check [flags]",
		Short: "Look a configuration over, and all that it names",
		Long: `Check reads a configuration and loads what it names: policies and their data,
rules, users, keys and certificates. It says what would be used, or for each
thing that is wrong where it stands and what to do. Nothing is started, and
nothing is written. Without --config it checks the defaults.`,
		Example: `  sstpwarden config check --config /etc/sstpwarden/sstpwarden.yaml`,
		Args:    cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cmd.Flags().Changed("config") && file == "" {
				return cli.Usagef("config check: --config is empty: give it a value, or leave it out")
			}
			return checkConfig(cmd, file)
		},
	}
	cmd.Flags().StringVar(&file, "config", "", "configuration `FILE`")
	return cmd
}

func checkConfig(cmd *cobra.Command, file string) error {
	name, c := "defaults", daemon.Default()
	if file != "" {
		loaded, err := daemon.Load(file)
		if err == nil {
			err = loaded.Check()
		}
		if err != nil {
			return &cli.ExitError{Status: configStatus(err), Err: err}
		}
		name, c = file, *loaded
	}
	used, err := c.Try(cmd.Context())
	if err != nil {
		return &cli.ExitError{Status: cli.ExitFailed, Err: err}
	}
	return printed(printUsed(cmd.OutOrStdout(), name, used))
}

// configStatus is that of wrong text, which is the answer to what was asked, or
// of a file that cannot be read.
func configStatus(err error) int {
	if _, ok := errors.AsType[daemon.ConfigErrors](err); ok {
		return cli.ExitFailed
	}
	return cli.ExitUsage
}

func printUsed(w io.Writer, name string, used []daemon.Used) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(tw, "%s: good\n", event.Printable(name))
	for _, u := range used {
		fmt.Fprintf(tw, "  %s\t%s\n", u.Key, event.Printable(u.What))
	}
	return tw.Flush()
}

func newConfigExample() *cobra.Command {
	return &cobra.Command{
		Use:     "example",
		Short:   "Print a configuration with every key, its meaning and its default",
		Example: `  sstpwarden config example > sstpwarden.yaml`,
		Args:    cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := io.WriteString(cmd.OutOrStdout(), daemon.Example())
			return printed(err)
		},
	}
}

func newConfigUnit() *cobra.Command {
	var program, config string
	cmd := &cobra.Command{
		Use:   "unit [flags] [service|socket|transparent|nfq]",
		Short: "Print a unit of systemd",
		Long: `Unit prints a file for systemd, in a narrow sandbox: the service of the proxy
(the default), its socket for who wants connections to wait while the proxy is
started again, the drop-in that the transparent proxy needs beside, or the
service of the inspector (nfq).`,
		Example: `  sstpwarden config unit > /etc/systemd/system/sstpwarden-proxy.service
  sstpwarden config unit socket > /etc/systemd/system/sstpwarden-proxy.socket
  sstpwarden config unit transparent > /etc/systemd/system/sstpwarden-proxy.service.d/transparent.conf
  sstpwarden config unit nfq > /etc/systemd/system/sstpwarden-nfq.service`,
		Args: takes(0, 1, "one unit"),
		RunE: func(cmd *cobra.Command, args []string) error {
			name := "service"
			if len(args) == 1 {
				name = args[0]
			}
			text, err := daemon.Unit(name, program, config)
			if err != nil {
				return cli.Usagef("config unit: %w", err)
			}
			_, err = io.WriteString(cmd.OutOrStdout(), text)
			return printed(err)
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&program, "program", ownPath(), "the program's `FILE`, absolute")
	fl.StringVar(&config, "config", "/etc/sstpwarden/sstpwarden.yaml", "the configuration's `FILE`, absolute")
	return cmd
}

// ownPath is where this program lies, "" where that cannot be told.
func ownPath() string {
	path, err := os.Executable()
	if err != nil {
		return ""
	}
	if resolved, err := filepath.EvalSymlinks(path); err == nil {
		return resolved
	}
	return path
}
