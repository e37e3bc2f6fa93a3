package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"sstpwarden/cmd/cli"
	"sstpwarden/cmd/daemon"
	"sstpwarden/cmd/doctor"
	"sstpwarden/policies/event"
)

func newDoctor() *cobra.Command {
	var config, format string
	var modes []string
	cmd := &cobra.Command{
		Use:   "doctor [--config FILE] [--mode MODE]",
		Short: "Say what on this host is missing, and prove what is there",
		Long: `Doctor looks at the host, at what a configuration names, and at what each mode
needs of the kernel. As root it makes networks of its own in which it has
connections taken as the firewall will take them; the host's network is not
touched. Exit status 1 says that something will not work.`,
		Example: `  sstpwarden doctor
  sstpwarden doctor --config /etc/sstpwarden/sstpwarden.yaml
  sstpwarden doctor --mode tproxy --format json`,
		Args: cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if format != "table" && format != "json" {
				return cli.Usagef("doctor: --format %s is not known: use table or json", format)
			}
			for _, mode := range modes {
				if !slices.Contains(doctor.Modes(), mode) {
					return cli.Usagef("doctor: --mode %s is not known: use %s", mode, strings.Join(doctor.Modes(), ", "))
				}
			}
			c := new(daemon.Default())
			if config != "" {
				loaded, err := daemon.Load(config)
				if err == nil {
					err = loaded.Check()
				}
				if err != nil {
					return &cli.ExitError{Status: cli.ExitUsage, Err: err}
				}
				c = loaded
			}
			return tellFindings(cmd.OutOrStdout(), format, doctor.Examine(cmd.Context(), doctor.Options{Config: c, Modes: modes}))
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&config, "config", "", "configuration `FILE`: look at what it uses")
	fl.StringSliceVar(&modes, "mode", nil, "look at these `MODES` alone: "+strings.Join(doctor.Modes(), ", "))
	fl.StringVar(&format, "format", "table", "table, or json: one finding a line")
	return cmd
}

// tellFindings writes what was found; the error says that something is missing.
func tellFindings(w io.Writer, format string, findings []doctor.Finding) error {
	missing := 0
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	for _, f := range findings {
		if f.State == doctor.Missing {
			missing++
		}
		if format == "json" {
			if err := enc.Encode(f); err != nil {
				return err
			}
			continue
		}
		text := f.Detail
		if f.Remedy != "" {
			text += " -> " + f.Remedy
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\n", f.State, f.Area, f.Name, event.Printable(text))
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	if missing > 0 {
		return &cli.ExitError{Status: cli.ExitFailed, Err: fmt.Errorf("doctor: %d things are missing", missing)}
	}
	return nil
}
