package opa

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"

	"sstpwarden/inspect"
	"sstpwarden/policies"
)

func newLive(t testing.TB, s Source) *Live {
	t.Helper()
	l, err := NewLive(context.Background(), s)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func liveReason(t testing.TB, l *Live) string {
	t.Helper()
	d, err := l.Decide(context.Background(), input(inspect.VerdictCleared))
	if err != nil {
		t.Fatal(err)
	}
	return d.Reason
}

func TestReload(t *testing.T) {
	t.Chdir(t.TempDir())
	if _, err := NewLive(context.Background(), Source{Path: "set"}); err == nil {
		t.Fatal("no error")
	}
	tree{"set/a.rego": says(`"one"`)}.write(t, "")
	l := newLive(t, Source{Path: "set"})
	first := l.Status()
	if first.Revision != l.Revision() || first.Revision != l.Current().Revision() || first.Loaded.IsZero() || first.Reloads+first.Failures != 0 || first.LastError != nil {
		t.Errorf("%+v", first)
	}
	if changed, err := l.Reload(context.Background()); changed || err != nil || l.Status() != first {
		t.Errorf("the same again: %t, %v, %+v", changed, err, l.Status())
	}
	old := l.Current()
	tree{"set/a.rego": says(`"two"`)}.write(t, "")
	if changed, err := l.Reload(context.Background()); !changed || err != nil {
		t.Fatalf("another: %t, %v", changed, err)
	}
	second := l.Status()
	if second.Revision == first.Revision || second.Revision != l.Revision() || second.Loaded.Before(first.Loaded) || second.Reloads != 1 {
		t.Errorf("%+v", second)
	}
	if got := liveReason(t, l); got != "two" {
		t.Errorf("reason %q", got)
	}
	if d, err := old.Decide(context.Background(), input(inspect.VerdictCleared)); err != nil || d.Reason != "one" {
		t.Errorf("the one before: %+v, %v", d, err)
	}
	tree{"set/a.rego": "package sstp\n\ndecision := {"}.write(t, "")
	for i := range uint64(2) {
		changed, err := l.Reload(context.Background())
		s := l.Status()
		if changed || err == nil || s.LastError == nil || s.LastError.Error() != err.Error() || s.Failures != i+1 || s.Revision != second.Revision || s.Loaded != second.Loaded {
			t.Errorf("broken: %t, %v, %+v", changed, err, s)
		}
	}
	if got := liveReason(t, l); got != "two" {
		t.Errorf("reason %q", got)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if changed, err := l.Reload(ctx); changed || !errors.Is(err, context.Canceled) && err == nil || l.Status().Failures != 2 {
		t.Errorf("cancelled: %t, %v, %+v", changed, err, l.Status())
	}
	tree{"set/a.rego": says(`"two"`)}.write(t, "")
	if changed, err := l.Reload(context.Background()); changed || err != nil || l.Status().LastError != nil || l.Status().Reloads != 1 {
		t.Errorf("repaired: %t, %v, %+v", changed, err, l.Status())
	}
}

// A new set foresees what the one before had to.
func TestReloadForesees(t *testing.T) {
	t.Chdir(t.TempDir())
	tree{"set/a.rego": says(`"one"`)}.write(t, "")
	l := newLive(t, Source{Path: "set"})
	s := situation{policies.StageHello, policies.PointNFQ, inspect.VerdictCleared}
	l.Foresee(s.stage, s.point, s.verdict)
	tree{"set/a.rego": says(`"two"`)}.write(t, "")
	if changed, err := l.Reload(context.Background()); !changed || err != nil {
		t.Fatal(changed, err)
	}
	known, ok := l.Current().foresight.known.Load(s)
	if !ok {
		t.Fatal("not foreseen")
	}
	// A machine that is busy may not have had the time.
	if f := known.(foreseen); f.ok && (f.decision.Reason != "two" || f.decision.Revision != l.Revision()) {
		t.Errorf("%+v, want revision %s", f, l.Revision())
	}
}

// A changer makes set after set in a folder, each of which says its number three
// times: in the manifest, in the policy and in data.
type changer struct {
	t    *testing.T
	dir  string
	good int // the last set that is whole
}

func numbered(n int) tree {
	return tree{
		manifestName: fmt.Sprintf(`{"revision": "%d"}`, n),
		"a.rego":     says(fmt.Sprintf(`sprintf("%d %%d", [data.number])`, n)),
		"data.json":  fmt.Sprintf(`{"number": %d, "filler": %q}`, n, strings.Repeat("x", 2000)),
	}
}

func (c *changer) remove(name string) {
	if err := os.RemoveAll(c.dir + "/" + name); err != nil {
		c.t.Error(err)
	}
}

// step makes the next state, and says whether it is one that must load.
func (c *changer) step(i int) (whole bool) {
	switch n := c.good + 1; i % 8 {
	case 1: // does not compile, but is signed
		set := numbered(n)
		set["a.rego"] = "package sstp\n\ndecision := {"
		ecKey.signed(c.t, set).write(c.t, c.dir)
	case 2: // not signed
		c.remove(signaturesName)
	case 3: // policies of the next set with the data of this
		set := ecKey.signed(c.t, numbered(n))
		set["data.json"] = numbered(c.good)["data.json"]
		set.write(c.t, c.dir)
	case 4: // half a file
		set := ecKey.signed(c.t, numbered(n))
		set["data.json"] = set["data.json"][:1000]
		set.write(c.t, c.dir)
	case 5: // one file less
		c.remove("a.rego")
	case 6: // none at all
		c.remove("")
	case 7: // signed by another
		edKey().signed(c.t, numbered(n)).write(c.t, c.dir)
	default:
		c.good = n
		ecKey.signed(c.t, numbered(n)).write(c.t, c.dir)
		return true
	}
	return false
}

// hammer decides in 8 goroutines until stop is called. Each Decision must be all
// of one set, and their revisions must not go back. Stop returns how many
// Decisions there were.
func hammer(t *testing.T, l *Live) (stop func() int64) {
	var wg sync.WaitGroup
	var done atomic.Bool
	var count atomic.Int64
	for g := range 8 {
		wg.Go(func() {
			last := 0
			in := input(inspect.VerdictCleared)
			for !done.Load() {
				in.SrcPort++
				d, err := l.Decide(context.Background(), in)
				if g%2 == 0 && err == nil {
					if f, ok := l.Foresee(in.Stage, in.Point, inspect.VerdictCleared); ok {
						d = f
					}
				}
				var number, a, b int
				if err == nil {
					_, err = fmt.Sscanf(d.Revision+" "+d.Reason, "%d-%s %d %d", &number, new(string), &a, &b)
				}
				if err != nil || number != a || number != b || number < last {
					t.Errorf("after %d: %+v, %v", last, d, err)
					return
				}
				last = number
				count.Add(1)
			}
		})
	}
	return func() int64 {
		done.Store(true)
		wg.Wait()
		return count.Load()
	}
}

// While sets change in all ways that they can, every Decision is made, and by one
// set that was whole.
func TestReloadUnderLoad(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	t.Chdir(t.TempDir())
	tree{"k.pem": ecKey.public}.write(t, "")
	c := changer{t: t, dir: "set"}
	c.step(0)
	l := newLive(t, Source{Path: "set", KeyFile: "k.pem"})
	stop := hammer(t, l)
	const steps = 96
	failures := uint64(0)
	for i := 1; i <= steps; i++ {
		whole := c.step(i)
		changed, err := l.Reload(context.Background())
		if changed != whole || (err == nil) != whole {
			t.Errorf("step %d: %t, %v", i, changed, err)
		}
		if !whole {
			failures++
		}
		if !strings.HasPrefix(l.Revision(), fmt.Sprintf("%d-", c.good)) {
			t.Fatalf("step %d: %s in force, want %d", i, l.Revision(), c.good)
		}
	}
	if n := stop(); n < steps {
		t.Errorf("only %d decisions", n)
	}
	if s := l.Status(); s.Reloads != steps/8 || s.Failures != failures || s.LastError != nil {
		t.Errorf("%+v", s)
	}
}

func BenchmarkReload(b *testing.B) {
	b.Chdir(b.TempDir())
	l := newLive(b, Source{})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := l.Reload(context.Background()); err != nil {
			b.Fatal(err)
		}
	}
}
