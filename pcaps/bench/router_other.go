//go:build !linux

package main

import (
	"context"
	"errors"
	"io"
)

var errLinux = errors.New("packets are queued on Linux only")

func runNaive([]string) error { return errLinux }

func runVisitor([]string) error { return errLinux }

func (o *options) runRouter(_ context.Context, w io.Writer) error {
	_, err := io.WriteString(w, "\nThe inspector of queued packets is measured on Linux only.\n")
	return err
}
