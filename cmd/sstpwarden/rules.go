package main

import (
	"bytes"
	"fmt"
	"math"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"sstpwarden/cmd/cli"
	"sstpwarden/inspect"
	"sstpwarden/policies/event"
	"sstpwarden/rules"
)

func newRules() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "rules",
		Short: "List, check, explain and export the detection rules",
		Args:  cli.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	var file string
	list := &cobra.Command{
		Use:   "list",
		Short: "List the rules with their weights",
		Args:  cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			rs, err := loadRules(file)
			if err != nil {
				return &cli.ExitError{Status: cli.ExitUsage, Err: err}
			}
			return listRules(cmd, rs)
		},
	}
	explain := &cobra.Command{
		Use:   "explain ID",
		Short: "Say what a rule sees, what it weighs and where it comes from",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			rs, err := loadRules(file)
			if err != nil {
				return &cli.ExitError{Status: cli.ExitUsage, Err: err}
			}
			return explainRule(cmd, rs, args[0])
		},
	}
	for _, c := range []*cobra.Command{list, explain} {
		c.Flags().StringVar(&file, "rules", "", "detection rules `FILE` in place of those built in")
	}
	check := &cobra.Command{
		Use:   "check FILE",
		Short: "Look a rules file over",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			rs, err := rules.Load(args[0])
			if err != nil {
				return &cli.ExitError{Status: cli.ExitFailed, Err: err}
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: %d rules, revision %s: good\n", event.Printable(args[0]), len(rs.Rules()), rs.Revision())
			return printed(err)
		},
	}
	cmd.AddCommand(list, check, explain, newRulesExport())
	return cmd
}

func listRules(cmd *cobra.Command, rs *inspect.Ruleset) error {
	tw := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "RULE\tWEIGHT\tABOUT")
	for _, r := range rs.Rules() {
		fmt.Fprintf(tw, "%s\t%s\t%s\n", r.ID, weight(&r), event.Printable(r.About))
	}
	if err := tw.Flush(); err != nil {
		return printed(err)
	}
	s := rs.Settings()
	_, err := fmt.Fprintf(cmd.OutOrStdout(), "\nprior %d, suspected from %d, cleared from %d decibans%s; revision %s\n", s.Prior, s.Suspected, s.Cleared, remembered(rs), rs.Revision())
	return printed(err)
}

// remembered says what a set keeps of weak connections, "" where it keeps none.
func remembered(rs *inspect.Ruleset) string {
	m, asked := rs.Memory()
	if !asked {
		return ""
	}
	halfLife := m.HalfLife.String()
	if m.HalfLife%time.Hour == 0 {
		halfLife = fmt.Sprintf("%dh", m.HalfLife/time.Hour)
	}
	return fmt.Sprintf(", remembered from %d with a half-life of %s", m.Least, halfLife)
}

// printed words what kept a result from being printed.
func printed(err error) error {
	if err == nil {
		return nil
	}
	return &cli.ExitError{Status: cli.ExitFailed, Err: fmt.Errorf("printing: %w", err)}
}

func weight(r *inspect.Rule) string {
	if r.Proof {
		return "proof"
	}
	w := fmt.Sprintf("%+d", r.Weight)
	if r.Coarse != nil {
		w += fmt.Sprintf(" (%+d)", *r.Coarse)
	}
	return w
}

func explainRule(cmd *cobra.Command, rs *inspect.Ruleset, id string) error {
	for _, r := range rs.Rules() {
		if r.ID != id {
			continue
		}
		var b bytes.Buffer
		fmt.Fprintf(&b, "%s: %s\n\n", r.ID, event.Printable(r.About))
		switch {
		case r.Proof:
			fmt.Fprintln(&b, "Proof: SSTP was read in clear; the connection is confirmed.")
		case r.Weight != 0:
			fmt.Fprintf(&b, "Weight %+d decibans: %s.\n", r.Weight, likelihood(r.Weight))
		}
		if r.Coarse != nil {
			fmt.Fprintf(&b, "Weight %+d where a block cipher hides exact lengths: %s.\n", *r.Coarse, likelihood(*r.Coarse))
		}
		if len(r.Requires) > 0 {
			fmt.Fprintf(&b, "Asked only after: %s\n", strings.Join(r.Requires, " or "))
		}
		if len(r.TakesBack) > 0 {
			fmt.Fprintf(&b, "Takes back: %s\n", strings.Join(r.TakesBack, ", "))
		}
		if len(r.Unless) > 0 {
			fmt.Fprintf(&b, "Not asked after: %s\n", strings.Join(r.Unless, ", "))
		}
		if r.Match.Destination != nil {
			fmt.Fprintf(&b, "Asks for other connections to the same server%s\n", remembered(rs))
		}
		fmt.Fprintf(&b, "Source: %s\n", event.Printable(r.Source))
		if r.Measured != nil {
			fmt.Fprintf(&b, "Measured: %s\n", measured(r.Measured))
			if r.Measured.Coarse != nil {
				fmt.Fprintf(&b, "Measured where a block cipher hides exact lengths: %s\n", measured(r.Measured.Coarse))
			}
		}
		if r.Reasoned != "" {
			fmt.Fprintf(&b, "Reasoned: %s\n", event.Printable(r.Reasoned))
		}
		text, err := yaml.Marshal(map[string]inspect.Match{"match": r.Match})
		if err != nil {
			return fmt.Errorf("printing rule %s: %w", id, err)
		}
		fmt.Fprintf(&b, "\n%s", text)
		_, err = cmd.OutOrStdout().Write(b.Bytes())
		return printed(err)
	}
	return &cli.ExitError{Status: cli.ExitFailed, Err: fmt.Errorf("there is no rule %s: sstpwarden rules list shows them all", strconv.Quote(id))}
}

// measured puts counts in words.
func measured(m *inspect.Measured) string {
	if m.Positives.Of == 0 || m.Negatives.Of == 0 {
		return fmt.Sprintf("held on %s of SSTP and %s of others, which is not enough to say anything", m.Positives, m.Negatives)
	}
	return fmt.Sprintf("held on %s of SSTP and %s of others, by kinds of connections: %+d to %+d decibans", m.Positives, m.Negatives, m.Low, m.High)
}

// likelihood puts decibans in words.
func likelihood(decibans int) string {
	ratio := times(decibans)
	switch {
	case decibans > 0:
		return ratio + " times likelier on SSTP than on other TLS"
	case decibans < 0:
		return times(-decibans) + " times likelier on other TLS than on SSTP"
	}
	return "tells nothing"
}

// times gives the ratio to two digits: 30 decibans are 1,000.
func times(decibans int) string {
	ratio := math.Pow(10, float64(decibans)/10)
	if ratio < 10 {
		return strconv.FormatFloat(ratio, 'f', 1, 64)
	}
	unit := math.Pow(10, math.Floor(math.Log10(ratio))-1)
	digits := strconv.FormatFloat(math.Round(ratio/unit)*unit, 'f', 0, 64)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}
