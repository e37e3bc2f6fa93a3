package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"sstpwarden/policies/event"
)

// Who moves a file away and sends SIGHUP gets a new one.
func TestLogsReopen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events.json")
	f := logFlags{events: []string{path}, whenFull: "wait"}
	l, err := f.open(false, true, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	defer l.abandon()
	write := func(source string) {
		e := event.New(&event.Flow{Source: source})
		if err := l.event(&e); err != nil {
			t.Fatal(err)
		}
	}
	write("before")
	for l.sinks[0].Written() == 0 {
		time.Sleep(time.Millisecond)
	}
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		if _, err := os.Stat(path); err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the file was not opened anew")
		}
	}
	write("after")
	s := event.NewSummary()
	s.Dropped = map[string]uint64{}
	l.close(t.Context(), &s)
	for name, want := range map[string]string{path + ".1": `"source":"before"`, path: `"source":"after"`} {
		text, err := os.ReadFile(name)
		if err != nil || strings.Count(string(text), "\n") != 1 || !strings.Contains(string(text), want) {
			t.Errorf("%s: %q, %v", name, text, err)
		}
	}
	if len(s.Errors) > 0 || len(s.Dropped) > 0 {
		t.Errorf("%+v", s)
	}
}
