package pcaps

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"time"

	"sstpwarden/inspect"
	"sstpwarden/inspect/tcpflow"
	"sstpwarden/inspect/tlskeys"
	"sstpwarden/policies"
	"sstpwarden/policies/event"
)

// Config says how to audit. Rules and Gate are required.
type Config struct {
	Rules *inspect.Ruleset
	// Gate asks the policy.
	Gate *policies.Gate
	// Compare, if set, asks its new policy about each connection too; what it
	// says stands in the event, and a connection on which it differs from Gate
	// is handed on.
	Compare *policies.Comparison
	// Keys that open recorded TLS; nil for none. Secrets in a pcapng file
	// open that file's connections besides.
	Keys *tlskeys.Keys
	// All hands on undetermined and cleared connections too.
	All bool
	// Workers is how many files are audited at once; 0 stands for one a
	// processor. Each is read by a goroutine and inspected by another.
	Workers int
	// Carve says where each connection that is found, dropped or logged is
	// written to, a file of its own.
	Carve Carve
	// Limits of the connections held per file; Open, Changed and Closed are
	// set by the audit.
	Limits tcpflow.Config
	// Emit takes the events, one at a time and in order. An error ends the
	// audit.
	Emit func(*event.Event) error
	// Progress, if set, is kept up to date.
	Progress *Progress
}

// Carve says how to carve. The zero value does not.
type Carve struct {
	Dir         string // "" for nowhere
	Application string // what carved files call the program
}

// maxWaiting is how many events a file may have ready before its turn comes.
const maxWaiting = 1024

// Run audits the inputs and sums up. What goes wrong with one of them stands
// in the summary's Errors and does not keep the others from being audited.
// The error is Emit's, or the context's.
func Run(ctx context.Context, inputs []Input, c Config) (event.Summary, error) {
	started := time.Now()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	jobs := make([]*job, len(inputs))
	for i, in := range inputs {
		jobs[i] = &job{input: in, config: &c, destinations: destinations{}, events: make(chan *event.Event, maxWaiting), done: make(chan struct{})}
	}
	var wg sync.WaitGroup
	wg.Go(func() { work(ctx, jobs, c.Workers) })
	summary := event.NewSummary()
	summary.Dropped = map[string]uint64{}
	servers := destinations{}
	var failed error
	for _, j := range jobs {
		for e := range j.events {
			if failed == nil {
				if failed = c.Emit(e); failed != nil {
					cancel()
				}
			}
		}
		<-j.done
		j.addTo(&summary)
		servers.merge(j.destinations)
	}
	wg.Wait()
	summary.Destinations = servers.ranked()
	if c.Compare != nil {
		summary.Changes = changes(c.Compare)
	}
	if summary.Files == 0 && summary.Skipped > 0 {
		summary.Errors = append(summary.Errors, event.Error{
			Source: "audit", Error: fmt.Sprintf("none of the %d files found is a capture (pcap or pcapng, plain, gzip or zstd)", summary.Skipped),
		})
	}
	summary.Seconds = time.Since(started).Round(time.Millisecond).Seconds()
	if failed == nil {
		failed = ctx.Err()
	}
	return summary, failed
}

// changes counts what changes between two policies.
func changes(c *policies.Comparison) []event.Change {
	var out []event.Change
	for _, t := range c.Counts() {
		out = append(out, event.Change{From: t.From, To: t.To, Details: t.Details, Flows: t.Flows})
	}
	return out
}

// work runs the jobs, in order, on so many goroutines: the first that is not
// finished is always running, so that nobody waits for a job that waits.
func work(ctx context.Context, jobs []*job, workers int) {
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	queue := make(chan *job)
	var wg sync.WaitGroup
	for range min(workers, len(jobs)) {
		wg.Go(func() {
			for j := range queue {
				j.run(ctx)
			}
		})
	}
	for _, j := range jobs {
		queue <- j
	}
	close(queue)
	wg.Wait()
}
