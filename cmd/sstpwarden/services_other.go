//go:build !linux

package main

import "github.com/spf13/cobra"

// services run on Linux alone.
func services() []*cobra.Command { return nil }
