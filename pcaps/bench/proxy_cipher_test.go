package main

import "testing"

func TestCipherBound(t *testing.T) {
	entrants := []*entrant{inAll(mitmproxyName, opening, 2, 2, 1)}
	want := "\nAES-128-GCM alone takes 0.02 CPU s/GB to open and to seal again, " +
		"which bounds any proxy by CPU time at 12.5x (download, 1 opened) and 12.5x (download, 8 opened) of mitmproxy.\n"
	if got := cipherBound(0.02, entrants); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	missing := []*entrant{{name: mitmproxyName, missing: "not installed"}}
	want = "\nAES-128-GCM alone takes 0.02 CPU s/GB to open and to seal again.\n"
	if got := cipherBound(0.02, missing); got != want {
		t.Errorf("without mitmproxy: got %q, want %q", got, want)
	}
}

func TestCipherCost(t *testing.T) {
	cost, err := cipherCost()
	if err != nil || cost <= 0 {
		t.Errorf("got %v s/GB, error %v", cost, err)
	}
}
