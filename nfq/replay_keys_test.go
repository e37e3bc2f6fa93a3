package nfq

import (
	"bufio"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sstpwarden/inspect"
	"sstpwarden/inspect/tcpflow"
	"sstpwarden/pcaps"
	"sstpwarden/pcaps/capfile"
	"sstpwarden/policies"
	"sstpwarden/policies/event"
	"sstpwarden/rules"
)

// opened is what an audit that has the TLS keys sees of the tunnels in these packets.
func opened(t *testing.T, packets []frame, keys []byte) map[uint64]*event.Event {
	t.Helper()
	path := filepath.Join(t.TempDir(), "opened.pcapng")
	if err := capture(path, packets, keys); err != nil {
		t.Fatal(err)
	}
	inputs, err := pcaps.Inputs([]string{path})
	if err != nil {
		t.Fatal(err)
	}
	out := map[uint64]*event.Event{}
	_, err = pcaps.Run(t.Context(), inputs, pcaps.Config{
		Rules: rules.Default(), All: true,
		Gate: &policies.Gate{Decider: dropping, Point: policies.PointAudit},
		Emit: func(e *event.Event) error {
			out[e.FlowID] = e
			return nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// capture writes packets and keys to a file.
func capture(path string, packets []frame, keys []byte) (err error) {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	b := bufio.NewWriter(file)
	w, err := capfile.NewWriter(b, capfile.Section{})
	if err != nil {
		return err
	}
	if err := w.Secrets(capfile.SecretsTLSKeyLog, keys); err != nil {
		return err
	}
	id, err := w.Interface(capfile.Interface{Link: capfile.LinkType(tcpflow.LinkRaw), Resolution: 9})
	if err != nil {
		return err
	}
	for _, p := range packets {
		if err := w.Packet(id, uint64(p.at.UnixNano()), p.ip, p.length); err != nil {
			return err
		}
	}
	return b.Flush()
}

// Of a tunnel that is dropped neither IP nor the user's login comes through, as who has
// the keys can see in what is left of it. Captures of one direction or of a later part of
// a connection are for TestReplay.
func TestReplayCarriesNothing(t *testing.T) {
	var dropped, tunnels int
	for _, path := range captures(t) {
		base := strings.TrimSuffix(path, filepath.Ext(path))
		keys, err := os.ReadFile(base + ".keys")
		if err != nil || !strings.Contains(path, "positive/") || strings.Contains(filepath.Base(base), "--") {
			continue
		}
		all, ok := frames(t, path)
		if !ok {
			t.Errorf("%s is neither of Ethernet nor of IP", path)
			continue
		}
		got, k := replayed(t, all, false)
		before, after := opened(t, all, keys), opened(t, k.out, keys)
		for id, e := range before {
			if e.Detection.Kind != inspect.KindTunnel || e.PPP == nil || e.PPP.Result != "success" {
				continue
			}
			tunnels++
			if !got[id].dropped {
				t.Errorf("%s: a tunnel is let", base)
				continue
			}
			dropped++
			a := after[id]
			if a == nil {
				t.Fatalf("%s: nothing is left of the connection", base)
			}
			if p := a.PPP; p != nil && (p.IPPktsToServer+p.IPPktsToClient != 0 || p.User != "" || p.Result != "") {
				t.Errorf("%s: this came through: %+v", base, p)
			}
		}
	}
	if dropped < 30 || dropped < tunnels {
		t.Errorf("%d of %d tunnels are dropped", dropped, tunnels)
	}
}
