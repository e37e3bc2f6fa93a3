//go:debug cryptocustomrand=1

// Bench measures how fast "sstpwarden audit" goes through a capture, beside
// tshark and ndpiReader on the same file in the same run, and what "sstpwarden
// proxy" carries beside other proxies. "make bench" runs it:
//
//	bench [-only audit|proxy|opened|nfq] [-size MB] [-rounds N] [-dir DIR] [-program FILE]
//	      [-sstp PATTERN] [-squid PROGRAM] [-profiles DIR]
//
// It generates its captures, and keeps them in the user's cache directory for
// the next time: an Internet edge with mixed traffic, and a SYN flood to see
// what memory a flood can take. The TLS in them is crypto/tls's own; the SSTP
// is copied from captures. The same seed gives the same bytes.
//
// Every command is measured as a whole process, from start to end, and they
// take turns. Beside them stands the floor: a process that reads, or reads and
// decodes, the packets and does nothing with them.
//
// Proxies take turns too: clients and the server behind them are this program's,
// all on the loopback. They forward TLS, beside a bare proxy that does nothing
// but splice, and squid, haproxy and tinyproxy; they open it, beside a bare proxy
// that does nothing else, mitmproxy and squid; and they hold idle tunnels. What is not installed is left out.
//
// The inspector of queued packets runs on a router in namespaces (root), beside
// bare forwarding and a queue that accepts all.
//
// What was missed of the targets is printed and fails nothing; the exit status
// is 1 if sstpwarden itself fails.
//
// What it does not do: judge whether tshark and ndpiReader do more for their
// time (they do: they dissect, and classify, every protocol), or squid, which
// could cache, and mitmproxy, which can be programmed.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := dispatch(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// dispatch runs what the arguments say. "floor", "edge", "flood", "bare",
// "bareopen", "peer", "naive" and "visit" are for the program's own use: it starts
// itself with them.
func dispatch(ctx context.Context, args []string) error {
	if len(args) > 0 {
		switch args[0] {
		case "floor":
			return runFloor(args[1:])
		case "edge", "flood":
			return runProduce(args[0], args[1:])
		case "bare":
			return runBare(args[1:])
		case "bareopen":
			return runBareOpen(args[1:])
		case "peer":
			return runPeer(args[1:])
		case "naive":
			return runNaive(args[1:])
		case "visit":
			return runVisitor(args[1:])
		}
	}
	var o options
	fs := o.flags()
	if err := fs.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil
		}
		return err
	}
	if fs.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", fs.Arg(0))
	}
	if err := o.checkPart(); err != nil {
		return err
	}
	for _, part := range []struct {
		name string
		run  func(context.Context, io.Writer) error
	}{{onlyAudit, o.run}, {onlyProxy, o.runProxy}, {onlyNFQ, o.runRouter}} {
		if o.only == "" || o.only == part.name || o.only == onlyOpened && part.name == onlyProxy {
			if err := part.run(ctx, os.Stdout); err != nil {
				return err
			}
		}
	}
	return nil
}

// The parts that -only knows.
const (
	onlyAudit  = "audit"
	onlyProxy  = "proxy"
	onlyOpened = "opened" // of the proxy: opening TLS
	onlyNFQ    = "nfq"
)

// options are the command line's.
type options struct {
	sizeMB     int
	rounds     int
	slowRounds int
	seed       uint64
	dir        string
	program    string
	sstp       string
	only       string
	squid      string
	profiles   string
}

func (o *options) flags() *flag.FlagSet {
	fs := flag.NewFlagSet("bench", flag.ContinueOnError)
	fs.IntVar(&o.sizeMB, "size", 200, "size of the edge capture, in `MB`")
	fs.IntVar(&o.rounds, "rounds", 11, "how often each command is measured")
	fs.IntVar(&o.slowRounds, "slow-rounds", 2, "how often tshark is measured, which takes long")
	fs.Uint64Var(&o.seed, "seed", 1, "another `NUMBER` makes other captures")
	fs.StringVar(&o.dir, "dir", "", "where the captures are kept: a `FOLDER` (default: in the user's cache directory)")
	fs.StringVar(&o.program, "program", filepath.Join("bin", "sstpwarden"), "the `FILE` to measure")
	fs.StringVar(&o.sstp, "sstp", filepath.Join("pcaps", "testdata", "positive", "*.pcap"), "captures to copy SSTP connections from, a `PATTERN`; none is fine")
	fs.StringVar(&o.only, "only", "", "measure one `PART` only: audit, proxy, of the proxy only opened TLS (opened), or nfq")
	fs.StringVar(&o.squid, "squid", "squid", "the `PROGRAM` to measure the proxy beside; one that is built with OpenSSL opens TLS too")
	fs.StringVar(&o.profiles, "profiles", "", "keep profiles of sstpwarden proxy in this `FOLDER`, which costs it some speed")
	return fs
}

func (o *options) check() error {
	if o.sizeMB < 1 || o.rounds < 1 || o.slowRounds < 1 {
		return fmt.Errorf("-size, -rounds and -slow-rounds must be at least 1")
	}
	if o.slowRounds > o.rounds {
		o.slowRounds = o.rounds
	}
	program, err := filepath.Abs(o.program)
	if err != nil {
		return err
	}
	if o.program = program; !isFile(program) {
		return fmt.Errorf("%s is not there: run \"make build\" first, or name the program with -program", program)
	}
	if o.dir == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			cache = os.TempDir()
		}
		o.dir = filepath.Join(cache, "sstpwarden-bench")
	}
	return os.MkdirAll(o.dir, 0o755)
}

func (o *options) checkPart() error {
	switch o.only {
	case "", onlyAudit, onlyProxy, onlyOpened, onlyNFQ:
	default:
		return fmt.Errorf("-only %s: there are the parts %s, %s, %s and %s", o.only, onlyAudit, onlyProxy, onlyOpened, onlyNFQ)
	}
	return nil
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}
