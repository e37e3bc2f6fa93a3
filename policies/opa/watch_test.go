package opa

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"sstpwarden/inspect"

	"github.com/fsnotify/fsnotify"
	"go.uber.org/goleak"
)

// A watched Live, and what was reported of it.
type watched struct {
	*Live
	t       *testing.T
	reports chan error
}

// watch watches s until the test ends.
func watch(t *testing.T, s Source) watched {
	t.Helper()
	others := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, others) })
	w := watched{newLive(t, s), t, make(chan error, 1000)}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() {
		ended <- w.watch(ctx, func(_ bool, err error) { w.reports <- err }, 5*time.Millisecond, 100*time.Millisecond)
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return w
}

// await waits until w decides with that reason. A set that is written in several steps may
// be loaded in between, and decide nothing.
func (w watched) await(want string) {
	w.t.Helper()
	w.awaitThat(want, func(error) bool {
		d, err := w.Decide(context.Background(), input(inspect.VerdictCleared))
		return err == nil && d.Reason == want
	})
}

// awaitError waits until a set did not load, with that in the error.
func (w watched) awaitError(want string) {
	w.t.Helper()
	w.awaitThat(want, func(err error) bool { return err != nil && strings.Contains(err.Error(), want) })
}

func (w watched) awaitThat(want string, holds func(error) bool) {
	w.t.Helper()
	if holds(w.Status().LastError) {
		return
	}
	var last error
	for {
		select {
		case last = <-w.reports:
			if holds(last) {
				return
			}
		case <-time.After(time.Minute):
			w.t.Fatalf("never %q; the last report was %v, status %+v", want, last, w.Status())
		}
	}
}

func rename(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

func remove(t *testing.T, name string) {
	t.Helper()
	if err := os.RemoveAll(name); err != nil {
		t.Fatal(err)
	}
}

func TestWatchFolder(t *testing.T) {
	t.Chdir(t.TempDir())
	policy := says(`concat(" ", [data.word, deep])`) + "default deep := \"-\"\n\ndeep := data.deep.er.word\n"
	tree{"set/a.rego": policy, "set/data.json": `{"word": "one"}`}.write(t, "")
	w := watch(t, Source{Path: "./set/"})
	w.await("one -")
	tree{"set/data.json": `{"word": "in place"}`}.write(t, "")
	w.await("in place -")
	tree{"set/data.json~": `{"word": "renamed"}`}.write(t, "")
	rename(t, "set/data.json~", "set/data.json")
	w.await("renamed -")
	tree{"set/deep/er/data.yaml": "word: below"}.write(t, "")
	w.await("renamed below")
	tree{"set/deep/er/data.yaml": "word: again"}.write(t, "")
	w.await("renamed again")
	remove(t, "set/deep/er")
	w.await("renamed -")
	tree{"set/deep/er/data.yaml": "word: back"}.write(t, "")
	w.await("renamed back")
	tree{"elsewhere/er/data.yaml": "word: moved"}.write(t, "")
	remove(t, "set/deep")
	rename(t, "elsewhere", "set/deep")
	w.await("renamed moved")
	tree{"set/deep/er/data.yaml": "word: on"}.write(t, "")
	w.await("renamed on")
	// broken, and repaired
	tree{"set/a.rego": policy[:strings.Index(policy, "{")+1]}.write(t, "")
	w.awaitError("set/a.rego:3:")
	w.await("renamed on")
	tree{"set/a.rego": policy, "set/data.json": `{"word": "repaired"}`}.write(t, "")
	w.await("repaired on")
	// gone, and there again
	remove(t, "set")
	w.awaitError("set/: does not exist")
	tree{"set/a.rego": policy, "set/data.json": `{"word": "reborn"}`}.write(t, "")
	w.await("reborn -")
	tree{"set/data.json": `{"word": "alive"}`}.write(t, "")
	w.await("alive -")
}

// A folder far up is exchanged.
func TestWatchFolderAbove(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, v := range []string{"one", "two", "three"} {
		tree{v + "/etc/set/a.rego": says(fmt.Sprintf("%q", v))}.write(t, "")
	}
	rename(t, "one", "root")
	w := watch(t, Source{Path: "root/etc/set"})
	w.await("one")
	rename(t, "root", "one")
	w.awaitError("does not exist")
	rename(t, "two", "root")
	w.await("two")
	tree{"root/etc/set/a.rego": says(`"written"`)}.write(t, "")
	w.await("written")
	remove(t, "root")
	rename(t, "three", "root")
	w.await("three")
}

// As Kubernetes mounts ConfigMaps: with links, of which one is exchanged.
func TestWatchConfigMap(t *testing.T) {
	t.Chdir(t.TempDir())
	mount := func(dir string) (update func(tree)) {
		n := 0
		return func(content tree) {
			n++
			version := fmt.Sprintf("..2026_11_%02d", n)
			content.write(t, filepath.Join(dir, version))
			tree{"..data_tmp": "-> " + version}.write(t, dir)
			rename(t, dir+"/..data_tmp", dir+"/..data")
			if n > 1 {
				remove(t, fmt.Sprintf("%s/..2026_11_%02d", dir, n-1))
			}
		}
	}
	policies, site, key := mount("policies"), mount("site"), mount("key")
	set := func(word string, k keyPair) tree {
		return k.signed(t, tree{"a.rego": says(`concat(" ", [data.sub.word, data.site])`), "sub/data.json": fmt.Sprintf(`{"word": %q}`, word)})
	}
	policies(set("one", ecKey))
	site(tree{"site.yaml": "site: first"})
	key(tree{"k.pem": ecKey.public})
	tree{
		"policies/a.rego": "-> ..data/a.rego", "policies/sub": "-> ..data/sub",
		"policies/" + signaturesName: "-> ..data/" + signaturesName,
		"site/site.yaml":             "-> ..data/site.yaml",
		"key/k.pem":                  "-> ..data/k.pem",
		"linked.yaml":                "-> site/site.yaml",
	}.write(t, "")
	w := watch(t, Source{Path: "policies", Data: []string{"linked.yaml"}, KeyFile: "key/k.pem"})
	w.await("one first")
	for i := range 3 {
		policies(set(fmt.Sprint("set", i), ecKey))
		w.await(fmt.Sprintf("set%d first", i))
	}
	for i := range 3 {
		site(tree{"site.yaml": fmt.Sprint("site: site", i)})
		w.await(fmt.Sprint("set2 site", i))
	}
	other := edKey()
	key(tree{"k.pem": other.public})
	w.awaitError("is signed with \"ES256\"")
	policies(set("resigned", other))
	w.await("resigned site2")
}

func TestWatchFiles(t *testing.T) {
	t.Chdir(t.TempDir())
	bundle := func(word string) string {
		return string(pack(t, tree{"a.rego": says(fmt.Sprintf(`concat(" ", [%q, data.site])`, word))}, ""))
	}
	tree{"b/set.tar.gz": bundle("one"), "etc/site.yaml": "site: first"}.write(t, "")
	w := watch(t, Source{Path: "b/set.tar.gz", Data: []string{"etc/site.yaml"}})
	w.await("one first")
	tree{"b/next": bundle("two")}.write(t, "")
	rename(t, "b/next", "b/set.tar.gz")
	w.await("two first")
	whole := bundle("three")
	tree{"b/set.tar.gz": whole[:len(whole)/2]}.write(t, "")
	w.awaitError("b/set.tar.gz: is cut short")
	w.await("two first")
	tree{"b/set.tar.gz": whole}.write(t, "")
	w.await("three first")
	tree{"etc/site.yaml": "site: second"}.write(t, "")
	w.await("three second")
	remove(t, "etc/site.yaml")
	w.awaitError("etc/site.yaml: does not exist")
	remove(t, "etc")
	w.await("three second")
	tree{"etc/site.yaml": "site: third"}.write(t, "")
	w.await("three third")
	remove(t, "b/set.tar.gz")
	w.awaitError("b/set.tar.gz: does not exist")
	tree{"b/set.tar.gz/a.rego": says(`"a folder now"`)}.write(t, "")
	w.await("a folder now")
	tree{"b/set.tar.gz/a.rego": says(`"changed"`)}.write(t, "")
	w.await("changed")
}

// Sets change under load while they are watched.
func TestWatchUnderLoad(t *testing.T) {
	t.Chdir(t.TempDir())
	tree{"k.pem": ecKey.public}.write(t, "")
	c := changer{t: t, dir: "set"}
	c.step(0)
	w := watch(t, Source{Path: "set", KeyFile: "k.pem"})
	stop := hammer(t, w.Live)
	for i := 1; i <= 96; i++ {
		c.step(i)
		if i%32 == 0 { // that it is not all one change
			w.await(fmt.Sprintf("%d %[1]d", c.good))
		}
	}
	stop()
}

// Whatever changed before the watch began is found as well.
func TestWatchFindsEarlierChanges(t *testing.T) {
	t.Chdir(t.TempDir())
	tree{"set/a.rego": says(`"one"`)}.write(t, "")
	l := newLive(t, Source{Path: "set"})
	tree{"set/a.rego": says(`"two"`)}.write(t, "")
	ctx, cancel := context.WithCancel(context.Background())
	err := l.Watch(ctx, func(changed bool, err error) {
		if !changed || err != nil {
			t.Errorf("%t, %v", changed, err)
		}
		cancel()
	})
	if err != nil || liveReason(t, l) != "two" {
		t.Errorf("%v, %q", err, liveReason(t, l))
	}
	if err := l.Watch(ctx, func(bool, error) { t.Error("reported") }); err != nil {
		t.Error(err)
	}
}

func TestSettle(t *testing.T) {
	type run struct {
		at  time.Duration
		err bool
	}
	const ms = time.Millisecond
	for _, tt := range []struct {
		name    string
		changes []run         // of files that count
		others  time.Duration // between changes that do not count, 0 for none
		want    time.Duration
	}{
		{"one change", []run{{at: 50 * ms}}, 0, 250 * ms},
		{"two changes", []run{{at: 50 * ms}, {at: 200 * ms}}, 0, 400 * ms},
		{"two apart", []run{{at: 50 * ms}, {at: 300 * ms}}, 0, 250 * ms},
		{"lost changes", []run{{at: 50 * ms, err: true}}, 0, 250 * ms},
		{"others", []run{{at: 50 * ms}}, 30 * ms, 250 * ms},
		{"no end", slices.Collect(func(yield func(run) bool) {
			for i := range 100 {
				if !yield(run{at: time.Duration(i) * 100 * ms}) {
					return
				}
			}
		}), 0, 2000 * ms},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				events, errs := make(chan fsnotify.Event), make(chan error)
				start := time.Now()
				var wg sync.WaitGroup
				defer wg.Wait()
				wg.Go(func() {
					for _, c := range tt.changes {
						time.Sleep(c.at - time.Since(start))
						if c.err {
							errs <- fsnotify.ErrEventOverflow
							continue
						}
						select {
						case events <- fsnotify.Event{Name: "counts"}:
						case <-ctx.Done():
							return
						}
					}
				})
				wg.Go(func() {
					for tt.others > 0 {
						select {
						case <-time.After(tt.others):
							select {
							case events <- fsnotify.Event{Name: "other"}:
							case <-ctx.Done():
								return
							}
						case <-ctx.Done():
							return
						}
					}
				})
				if !settle(ctx, events, errs, func(name string) bool { return name == "counts" }, quiet, mostQuiet) {
					t.Error("did not settle")
				}
				if took := time.Since(start); took != tt.want {
					t.Errorf("took %v, want %v", took, tt.want)
				}
				cancel()
				if settle(ctx, events, errs, func(string) bool { return false }, quiet, mostQuiet) {
					t.Error("settled after the end")
				}
			})
		})
	}
}

func TestPlaces(t *testing.T) {
	base, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(base)
	tree{
		"set/a.rego": "", "set/in/b.rego": "", "set/.git/config": "", "set/loop": "-> .", "set/out": "-> ../other/deep",
		"set/gone": "-> ../nowhere/at/all", "other/deep/c.rego": "",
		"v1/site.yaml": "", "current": "-> v1", "site.yaml": "-> current/site.yaml",
		"turn": "-> turn2", "turn2": "-> turn", "absolute": "-> " + base + "/v1",
	}.write(t, "")
	for _, tt := range []struct {
		source Source
		want   []string // below base: "folder" for all of it, "folder/name" for a name; a folder that need not be watched has "?"
	}{
		{Source{}, nil},
		{Source{Path: "set"}, []string{".:nowhere", ".:other", ".:set", "other/deep", "other:deep", "set", "set/in"}},
		{Source{Path: "gone/at/all"}, []string{".:gone"}},
		{Source{Path: "v1/site.yaml"}, []string{".?:v1", "v1:site.yaml"}},
		{Source{Data: []string{"site.yaml", "turn"}}, []string{".:current", ".:site.yaml", ".:turn", ".:turn2", ".:v1", "v1:site.yaml"}},
		{Source{KeyFile: base + "/absolute/../current/./site.yaml"}, []string{".:absolute", ".:current", ".:v1", "v1:site.yaml"}},
	} {
		p := tt.source.places()
		var got []string
		for dir, at := range p {
			rel, err := filepath.Rel(base, dir)
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasPrefix(rel, "..") {
				if at.all || at.must {
					t.Errorf("%s is watched", dir)
				}
				continue
			}
			if !at.must {
				rel += "?"
			}
			if at.all {
				got = append(got, rel)
				continue
			}
			for name := range at.names {
				got = append(got, rel+":"+name)
			}
		}
		slices.Sort(got)
		if !slices.Equal(got, tt.want) {
			t.Errorf("%+v:\ngot  %q\nwant %q", tt.source, got, tt.want)
		}
		if !p.equal(tt.source.places()) {
			t.Errorf("%+v: not the same twice", tt.source)
		}
	}
	p := Source{Path: "set", Data: []string{"site.yaml"}}.places()
	for name, want := range map[string]bool{
		"set/a.rego": true, "set/new": true, "set": true, "site.yaml": true, "current": true, "other/deep/x": true,
		"set/in": true, "other/x": false, "x": false, "set/.git/config": false, "v1/x": false,
	} {
		if got := p.concern(filepath.Join(base, name)); got != want {
			t.Errorf("%s counts: %t", name, got)
		}
	}
	for name, change := range map[string]func(){
		"a new folder":          func() { tree{"set/in/new/c.rego": ""}.write(t, "") },
		"another link":          func() { remove(t, "current"); tree{"current": "-> set"}.write(t, "") },
		"another of that name":  func() { rename(t, "other", "was"); tree{"other/deep/x": ""}.write(t, "") },
		"a file where a folder": func() { remove(t, "other"); tree{"other": ""}.write(t, "") },
	} {
		before := Source{Path: "set", Data: []string{"site.yaml"}}.places()
		change()
		if before.equal(Source{Path: "set", Data: []string{"site.yaml"}}.places()) {
			t.Errorf("%s is not seen", name)
		}
	}
}

func TestWatchError(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want string
	}{
		{fmt.Errorf("couldn't initialize inotify: %w", syscall.EMFILE), "watching the policies' files: couldn't initialize inotify: too many open files; raise the limit with sysctl fs.inotify.max_user_instances=512 (and that of open files), or reload by hand after a change"},
		{fmt.Errorf("/etc/set: %w", syscall.ENOSPC), "watching the policies' files: /etc/set: no space left on device; raise the limit with sysctl fs.inotify.max_user_watches=524288, or reload by hand after a change"},
		{fmt.Errorf("/etc/set: %w", fs.ErrPermission), "watching the policies' files: /etc/set: permission denied; let the user that runs this read the folder, or reload by hand after a change"},
		{errors.New("no such thing here"), "watching the policies' files: no such thing here; reload by hand after a change"},
	} {
		if got := watchError(tt.err); got.Error() != tt.want || !errors.Is(got, tt.err) {
			t.Errorf("got  %s\nwant %s", got, tt.want)
		}
	}
}
