package main

import "github.com/spf13/cobra"

// services are the commands that run in a network, or tell of those that do.
func services() []*cobra.Command {
	return []*cobra.Command{newProxy(), newBypass(), newConfig(), newDoctor()}
}
