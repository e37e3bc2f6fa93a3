package daemon

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"sstpwarden/inspect"
	"sstpwarden/policies"
	"sstpwarden/policies/event"
)

func init() {
	children["pipe"] = pipeChild
}

// pipeChild tells two events, and how many of them were lost.
func pipeChild() error {
	cfg := Default()
	cfg.Events.Dest = []string{"-"}
	d, err := newDaemon(context.Background(), cfg, policies.PointNFQ, os.Stderr)
	if err != nil {
		return err
	}
	for range 2 {
		e := event.New(flow(inspect.VerdictSuspected))
		d.Emit(&e)
	}
	if err := d.Close(); err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "lost %d\n", d.records.sinks[0].Lost())
	return nil
}

// Who reads events from a pipe and ends does not end the service with it.
func TestBrokenPipe(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	cmd := child(t, "pipe")
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = w, &log
	_ = r.Close() // nobody reads
	if err := cmd.Run(); err != nil || !strings.Contains(log.String(), "broken pipe") || !strings.HasSuffix(log.String(), "lost 2\n") {
		t.Errorf("%v\n%s", err, &log)
	}
}
