package main

import (
	"context"
	"fmt"
	"os"
	"testing"
)

// TestMain lets the test be the children that the program starts itself as.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && (os.Args[1] == "bare" || os.Args[1] == "bareopen" || os.Args[1] == "peer") {
		if err := dispatch(context.Background(), os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}
