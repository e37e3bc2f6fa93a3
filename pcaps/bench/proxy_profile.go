package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// profileWindow is for how long things are measured where profiles are wanted: a
// second has too few samples.
const profileWindow = 4 * time.Second

// profiled runs a discipline, and keeps a CPU profile of what is ours while it
// does where profiles are wanted.
func (a *arena) profiled(ctx context.Context, d *discipline, e *entrant) (result, error) {
	if e.admin == "" {
		return d.run(ctx, a, e)
	}
	name := strings.ReplaceAll(strings.ReplaceAll(d.short, ",", ""), " ", "-")
	failed := make(chan error, 1)
	go func() {
		which := fmt.Sprintf("profile?seconds=%.0f", max(1, a.window.Seconds()))
		failed <- profile(ctx, e.admin, which, filepath.Join(a.profiles, name+".cpu.pprof"))
	}()
	r, err := d.run(ctx, a, e)
	if profileErr := <-failed; err == nil {
		err = profileErr
	}
	if err == nil {
		err = profile(ctx, e.admin, "allocs", filepath.Join(a.profiles, name+".allocs.pprof"))
	}
	return r, err
}

// profile fetches a profile into a file.
func profile(ctx context.Context, admin, which, path string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+admin+"/debug/pprof/"+which, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("fetching a profile: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	raw, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", response.Status, raw)
	}
	if err != nil {
		return fmt.Errorf("fetching a profile: %w", err)
	}
	return os.WriteFile(path, raw, 0o644)
}
