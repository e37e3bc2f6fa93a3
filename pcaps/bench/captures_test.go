package main

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestProduce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "flood.pcap")
	if readManifest(path) != nil {
		t.Fatal("a manifest of nothing")
	}
	err := produce(path, func(path string) (manifest, error) { return makeFlood(path, 100) })
	if err != nil {
		t.Fatal(err)
	}
	m := readManifest(path)
	if m == nil || m.Packets != 100 {
		t.Fatalf("manifest %+v", m)
	}
	for _, kind := range []string{"read", "decode"} {
		if err := runFloor([]string{kind, path}); err != nil {
			t.Errorf("floor %s: %v", kind, err)
		}
	}

	if err := os.Truncate(path, m.FileSize-1); err != nil {
		t.Fatal(err)
	}
	if readManifest(path) != nil {
		t.Error("a capture of the wrong size is taken")
	}
	if err := runFloor([]string{"read", path}); err == nil {
		t.Error("the floor reads a cut off capture without a word")
	}

	failed := errors.New("disk full")
	if err := produce(path, func(string) (manifest, error) { return manifest{}, failed }); !errors.Is(err, failed) {
		t.Errorf("produce gave %v", err)
	}
}

func TestArguments(t *testing.T) {
	for _, args := range [][]string{
		{"floor"},
		{"floor", "skip", "x.pcap"},
		{"edge", "x.pcap"},
		{"edge", "x.pcap", "many", "1"},
		{"flood"},
		{"capture.pcap"},
		{"-size", "0"},
		{"-program", filepath.Join(t.TempDir(), "absent")},
	} {
		if err := dispatch(t.Context(), args); err == nil {
			t.Errorf("bench %q: no error", args)
		}
	}
}

func TestThousands(t *testing.T) {
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567"} {
		if got := thousands(n); got != want {
			t.Errorf("thousands(%d) = %s, want %s", n, got, want)
		}
	}
}
