//go:build linux

package main

import (
	"context"
	"fmt"
	"io"
	"os"

	nfqueue "github.com/florianl/go-nfqueue/v2"
	"golang.org/x/sys/unix"

	"sstpwarden/nfq/nft"
)

// runNaive is the process of a queue that does nothing but accept, as the library's
// own example has it: "naive FILE". It makes the file when it is ready, and ends when
// its standard input does.
func runNaive(args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("naive: want a file, got %q", args)
	}
	q, err := nfqueue.Open(&nfqueue.Config{
		NfQueue: nft.DefaultQueue, MaxPacketLen: 0xffff, MaxQueueLen: 0xffff,
		Copymode: nfqueue.NfQnlCopyPacket, AfFamily: unix.AF_UNSPEC, Flags: nfqueue.NfQaCfgFlagGSO,
	})
	if err != nil {
		return err
	}
	defer func() { _ = q.Close() }()
	accept := func(a nfqueue.Attribute) int {
		_ = q.SetVerdict(*a.PacketID, nfqueue.NfAccept)
		return 0
	}
	if err := q.RegisterWithErrorFunc(context.Background(), accept, func(error) int { return 0 }); err != nil {
		return err
	}
	table, err := nft.SetupInspect(nft.InspectOptions{Hooks: []nft.HookName{nft.HookForward}, FailOpen: true})
	if err != nil {
		return err
	}
	defer func() { _ = table.Close() }()
	if err := os.WriteFile(args[0], nil, 0o644); err != nil {
		return err
	}
	_, _ = io.Copy(io.Discard, os.Stdin) // its end is all that matters
	return nil
}
