package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
)

// A finding is the summary that ends our program's JSON output.
type finding struct {
	EventType string `json:"event_type"`
	Packets   int    `json:"packets"`
	Flows     int    `json:"flows"`
	Verdicts  struct {
		Undetermined, Suspected, Confirmed, Cleared int
	} `json:"verdicts"`
}

// inspectOnce audits the capture and sees to it that every packet was read:
// speed that comes from leaving something out is none.
func inspectOnce(ctx context.Context, program, capture string, m *manifest) (*finding, error) {
	cmd := exec.CommandContext(ctx, program, "audit", "--format", "json", capture)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("running %s: %w", program, err)
	}
	lines := bytes.Split(bytes.TrimSpace(out), []byte("\n"))
	var f finding
	if err := json.Unmarshal(lines[len(lines)-1], &f); err != nil {
		return nil, fmt.Errorf("reading the summary that %s gave: %w", program, err)
	}
	if f.EventType != "summary" || f.Packets != m.Packets {
		return nil, fmt.Errorf("%s says it read %d packets of %d", program, f.Packets, m.Packets)
	}
	return &f, nil
}

func (f *finding) String() string {
	return fmt.Sprintf("%s TCP flows: %d confirmed, %d suspected, %s undetermined, %s cleared",
		thousands(f.Flows), f.Verdicts.Confirmed, f.Verdicts.Suspected, thousands(f.Verdicts.Undetermined), thousands(f.Verdicts.Cleared))
}
