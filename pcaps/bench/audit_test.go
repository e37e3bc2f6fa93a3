package main

import (
	"os"
	"path/filepath"
	"testing"
)

func TestInspectOnce(t *testing.T) {
	program := filepath.Join(t.TempDir(), "auditor")
	script := `#!/bin/sh
echo '{"event_type":"sstp","packets":3}'
echo '{"event_type":"summary","packets":1200,"flows":1001,"verdicts":{"undetermined":1,"suspected":2,"confirmed":3,"cleared":995}}'
`
	if err := os.WriteFile(program, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	f, err := inspectOnce(t.Context(), program, "x.pcap", &manifest{Packets: 1200})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := f.String(), "1,001 TCP flows: 3 confirmed, 2 suspected, 1 undetermined, 995 cleared"; got != want {
		t.Errorf("found %q, want %q", got, want)
	}
	if _, err := inspectOnce(t.Context(), program, "x.pcap", &manifest{Packets: 1201}); err == nil {
		t.Error("a packet was left out, and nothing was said")
	}
	for _, program := range []string{"false", "true"} {
		if _, err := inspectOnce(t.Context(), program, "x.pcap", &manifest{}); err == nil {
			t.Errorf("%s gave no summary, and nothing was said", program)
		}
	}
}
