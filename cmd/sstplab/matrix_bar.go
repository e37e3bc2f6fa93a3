package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"sstpwarden/pcaps/matrix"
)

// A matrixBar shows a person how far a matrix is. Elsewhere than on a terminal there is
// none.
type matrixBar struct {
	bar   *progressbar.ProgressBar
	wrong int
}

func newMatrixBar(stderr io.Writer, cells int) *matrixBar {
	if !isTerminal(stderr) {
		return &matrixBar{}
	}
	return &matrixBar{bar: progressbar.NewOptions(cells,
		progressbar.OptionSetWriter(stderr),
		progressbar.OptionShowCount(),
		progressbar.OptionSetPredictTime(true),
		progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionClearOnFinish(),
		progressbar.OptionSetDescription("cells"))}
}

// done takes a cell that was run.
func (b *matrixBar) done(c *matrix.CellResult) {
	if b.bar == nil {
		return
	}
	if len(c.Marks) > 0 {
		b.wrong++
		b.bar.Describe(fmt.Sprintf("cells, %d not right", b.wrong))
	}
	_ = b.bar.Add(1) // a picture only
}

// end removes the bar.
func (b *matrixBar) end() {
	if b.bar != nil {
		_ = b.bar.Clear() // a picture only
	}
}

// isTerminal says that a person reads w.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// wantsColour says that a person reads w, on a terminal that has colours, and did not ask
// for none (https://no-color.org).
func wantsColour(w io.Writer) bool {
	return isTerminal(w) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}
