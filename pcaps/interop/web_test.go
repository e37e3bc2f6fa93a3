//go:build interop

package interop

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// serveWeb is the office's web server: GET /N gives N bytes that always are the
// same, PUT answers with the SHA-256 of what it was given.
func serveWeb(address string) error {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{size}", func(w http.ResponseWriter, r *http.Request) {
		n, err := strconv.ParseInt(r.PathValue("size"), 10, 64)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Length", strconv.FormatInt(n, 10))
		_, _ = io.CopyN(w, noise(), n) // a client may leave
	})
	mux.HandleFunc("PUT /", func(w http.ResponseWriter, r *http.Request) {
		sum := sha256.New()
		if _, err := io.Copy(sum, r.Body); err == nil {
			fmt.Fprintf(w, "%x", sum.Sum(nil))
		}
	})
	ln, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	fmt.Println("serving", ln.Addr())
	return http.Serve(ln, mux)
}

// noise returns bytes that compress badly and are always the same.
func noise() io.Reader { return rand.NewChaCha8([32]byte{}) }

// noiseSum is the SHA-256 of the first n bytes of noise.
func noiseSum(n int64) string {
	sum := sha256.New()
	_, _ = io.CopyN(sum, noise(), n) // neither fails
	return hex.EncodeToString(sum.Sum(nil))
}

const (
	downloadSize = 3 << 20
	uploadSize   = 2 << 20
)

// exchange fetches a file from the office, which has that address, and sends one
// there, by curl, and compares checksums. via are further options of curl.
func (l *lab) exchange(office string, via ...string) {
	l.t.Helper()
	curl := append([]string{"curl", "-sS", "-g", "--fail", "--max-time", "60"}, via...)
	got := filepath.Join(l.dir, "got")
	l.client.run(append(curl, "-o", got, fmt.Sprintf("http://%s/%d", office, downloadSize))...)
	f, err := os.Open(got)
	if err != nil {
		l.t.Fatal(err)
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		l.t.Fatal(err)
	}
	if got, want := hex.EncodeToString(sum.Sum(nil)), noiseSum(downloadSize); got != want {
		l.t.Errorf("the download has SHA-256 %s, want %s", got, want)
	}

	sent := filepath.Join(l.dir, "sent")
	out, err := os.Create(sent)
	if err != nil {
		l.t.Fatal(err)
	}
	defer out.Close()
	if _, err := io.CopyN(out, noise(), uploadSize); err != nil {
		l.t.Fatal(err)
	}
	answer := l.client.run(append(curl, "-T", sent, "http://"+office+"/file")...)
	if want := noiseSum(uploadSize); strings.TrimSpace(answer) != want {
		l.t.Errorf("the upload has SHA-256 %s, want %s", answer, want)
	}
}
