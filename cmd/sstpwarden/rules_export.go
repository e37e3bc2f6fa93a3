package main

import (
	"bytes"
	"strings"

	"github.com/spf13/cobra"

	"sstpwarden/cmd/cli"
	"sstpwarden/policies/event"
	"sstpwarden/rules"
	"sstpwarden/rules/export"
)

func newRulesExport() *cobra.Command {
	var file, out string
	engines := strings.Join(export.Engines(), ", ")
	cmd := &cobra.Command{
		Use:   "export [flags] ENGINE",
		Short: "Write the rules for another engine: " + engines,
		Long: `Export writes what of the rules another engine can say: ` + engines + `.
The output begins with how it is loaded, and ends with the rules that the engine
cannot say, and why. The same rules give the same bytes.`,
		Example: `  sstpwarden rules export squid --out sstp.conf
  sstpwarden rules export suricata --rules my-rules.yaml --out sstp.rules`,
		Args:      takes(1, 1, "an engine: "+engines),
		ValidArgs: export.Engines(),
		RunE: func(cmd *cobra.Command, args []string) error {
			rs, err := loadRules(file)
			if err != nil {
				return &cli.ExitError{Status: cli.ExitUsage, Err: err}
			}
			name := rules.BuiltinName
			if file != "" {
				name = event.Printable(file)
			}
			text, err := export.Export(args[0], rs, export.Options{Rules: name, Tool: "sstpwarden " + cli.Version()})
			if err != nil {
				return cli.Usagef("rules export: %w", err)
			}
			return writeExport(cmd, text, out, file)
		},
	}
	cmd.Flags().StringVar(&file, "rules", "", "detection rules `FILE` in place of those built in")
	cmd.Flags().StringVar(&out, "out", "", "write to `FILE`, which appears when it is complete")
	return cmd
}

// writeExport writes an export where it is to go. Engines read it under users
// of their own, and it names nobody: everyone may read it.
func writeExport(cmd *cobra.Command, text []byte, path, rulesFile string) error {
	var inputs []string
	if rulesFile != "" {
		inputs = []string{rulesFile}
	}
	out, err := createOutput(path, cmd.OutOrStdout(), inputs)
	if err != nil {
		return &cli.ExitError{Status: cli.ExitUsage, Err: err}
	}
	defer out.abandon()
	if _, err := bytes.NewReader(text).WriteTo(out); err != nil {
		return printed(err)
	}
	if out.path != "" {
		if err := out.file.Chmod(0o644); err != nil {
			return printed(err)
		}
	}
	if err := out.finish(); err != nil {
		return &cli.ExitError{Status: cli.ExitFailed, Err: err}
	}
	return nil
}
