package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"

	"sstpwarden/pcaps"
)

// A progressBar shows a person how far an audit is: bytes, flows, rate, time
// left. Elsewhere than on a terminal there is none.
type progressBar struct {
	bar  *progressbar.ProgressBar
	stop chan struct{}
	done chan struct{}
}

// newProgressBar begins to show the audit's progress on stderr if that is a
// terminal and nothing else is being printed there.
func newProgressBar(c *pcaps.Config, inputs []pcaps.Input, stderr io.Writer, busy bool) *progressBar {
	if !isTerminal(stderr) || busy {
		return &progressBar{}
	}
	p := &pcaps.Progress{}
	total := int64(0)
	for _, in := range inputs {
		info, err := os.Stat(in.Path)
		if in.Path == "-" || err != nil || !info.Mode().IsRegular() {
			total = -1
			break
		}
		total += info.Size()
	}
	c.Progress = p
	b := &progressBar{stop: make(chan struct{}), done: make(chan struct{})}
	b.bar = progressbar.NewOptions64(total,
		progressbar.OptionSetWriter(stderr),
		progressbar.OptionShowBytes(true),
		progressbar.OptionSetPredictTime(true),
		progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionClearOnFinish(),
		progressbar.OptionSetDescription("0 flows"))
	go b.show(p)
	return b
}

func (b *progressBar) show(p *pcaps.Progress) {
	defer close(b.done)
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-b.stop:
			return
		case <-tick.C:
			b.bar.Describe(fmt.Sprintf("%d flows", p.Flows.Load()))
			_ = b.bar.Set64(p.Bytes.Load()) // a picture only
		}
	}
}

// end removes the bar.
func (b *progressBar) end() {
	if b.bar == nil {
		return
	}
	close(b.stop)
	<-b.done
	_ = b.bar.Clear() // a picture only
}
