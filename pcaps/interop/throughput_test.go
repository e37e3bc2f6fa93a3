//go:build interop

package interop

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"text/tabwriter"
)

// TestThroughput reports how fast TCP is through a tunnel, by who carries it. One
// processor is both ends and all between, and other machines have theirs at the same
// time unless -run asks for this test alone: the figures are for comparing with each
// other only.
func TestThroughput(t *testing.T) {
	var table strings.Builder
	w := tabwriter.NewWriter(&table, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "client\tserver\tdown Mbit/s\tup Mbit/s\t")
	for _, row := range []struct {
		client, server string
		open           func(*lab) (via []string, done func())
	}{
		{"none", "none", func(l *lab) ([]string, func()) {
			l.client.run("ip", "route", "add", officeNet, "via", serverIPv4)
			l.office.run("ip", "route", "add", "10.9.0.0/24", "via", "192.0.2.1")
			return nil, func() {}
		}},
		{"sstpc + pppd", "serve --net tun", func(l *lab) ([]string, func()) { return sstpcOpen(l, "tun") }},
		{"sstpc + pppd", "serve --net user", func(l *lab) ([]string, func()) { return sstpcOpen(l, "user") }},
		{"dial --net tun", "serve --net tun", func(l *lab) ([]string, func()) { return dialOpen(l, "tun", "tun") }},
		{"dial --net user", "serve --net user", func(l *lab) ([]string, func()) { return dialOpen(l, "user", "user") }},
	} {
		t.Run(strings.ReplaceAll(row.client+" x "+row.server, " ", "_"), func(t *testing.T) {
			l := newLab(t)
			via, done := row.open(l)
			down, up := l.measure(via...)
			done()
			fmt.Fprintf(w, "%s\t%s\t%.1f\t%.1f\t\n", row.client, row.server, down, up)
		})
	}
	w.Flush()
	t.Logf("TCP at a round trip of 12 ms:\n%s", table.String())
}

func sstpcOpen(l *lab, net string) (via []string, done func()) {
	server := l.serve("--net", net)
	c := l.sstpc(sstpcConfig{})
	c.awaitUp()
	return nil, func() {
		c.hangUp()
		c.checkGone()
		server.stop()
	}
}

func dialOpen(l *lab, clientNet, serverNet string) (via []string, done func()) {
	server := l.serve("--net", serverNet)
	args := []string{"--net", clientNet}
	if clientNet == "tun" {
		args = append(args, "--route", officeNet)
	} else {
		args = append(args, "--socks", "127.0.0.1:1080")
		via = []string{"-x", "socks5h://127.0.0.1:1080"}
	}
	c := l.dial("", args...)
	c.await("up")
	if clientNet == "user" {
		c.await("proxy_listening")
	}
	return via, func() {
		c.stop()
		server.stop()
	}
}

// measure transfers each way for some seconds and returns the rates in Mbit/s.
func (l *lab) measure(via ...string) (down, up float64) {
	l.t.Helper()
	// curl ends when its time is up; the office has more to give than that.
	const most, bytes = "5", 1 << 40
	measure := func(format string, args ...string) float64 {
		args = append(append([]string{"curl", "-sS", "--max-time", most, "-o", "/dev/null", "-w", format}, via...), args...)
		out, _ := l.client.command(l.t.Context(), args...).Output() // its status is that of the time-out
		rate, err := strconv.ParseFloat(strings.TrimSpace(string(out)), 64)
		if err != nil || rate == 0 {
			l.t.Fatalf("%q gives no rate: %q", args, out)
		}
		return rate * 8 / 1e6
	}
	down = measure("%{speed_download}", fmt.Sprintf("http://%s/%d", officeIPv4, bytes))
	endless := filepath.Join(l.dir, "endless")
	f, err := os.Create(endless)
	if err != nil {
		l.t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(1 << 36); err != nil { // sparse
		l.t.Fatal(err)
	}
	return down, measure("%{speed_upload}", "-T", endless, "http://"+officeIPv4+"/file")
}
