package matrix

import (
	"fmt"
	"strings"
)

// A Cell is one thing to be run.
type Cell struct {
	Group  string `json:"group"`
	Client string `json:"client"`
	Server string `json:"server"`
	// TLS is a version, or version/suite: see [TLSNames].
	TLS       string `json:"tls"`
	Transform string `json:"transform"`
	Path      string `json:"path"`
	// Scenario is what is spoken in place of SSTP, "" for SSTP.
	Scenario string `json:"scenario,omitempty"`
}

// Benign says that the cell is no SSTP.
func (c *Cell) Benign() bool { return c.Scenario != "" }

// ID names the cell, the same in every run: path/tls/ends/what.
func (c *Cell) ID() string {
	tls := "tls" + strings.ReplaceAll(c.TLS, "/", "-")
	if c.Benign() {
		id := fmt.Sprintf("%s/%s/%s/%s", c.Path, tls, c.Client, c.Scenario)
		if c.Transform != None {
			id += "+" + c.Transform
		}
		return id
	}
	return fmt.Sprintf("%s/%s/%s-%s/%s", c.Path, tls, c.Client, c.Server, c.Transform)
}

// File is the name of the cell's capture, without a folder.
func (c *Cell) File() string { return strings.ReplaceAll(c.ID(), "/", "_") + ".pcapng" }

// None is the transform that changes nothing.
const None = "none"

// Direct is the path without anything between the ends.
const Direct = "direct"
