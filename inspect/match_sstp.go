package inspect

import (
	"slices"
	"strings"
)

type sstpMatcher struct{ SSTPMatch }

func (m sstpMatcher) match(f *Flow) (string, bool) {
	s := f.obs.SSTP
	if s == nil {
		return "", false
	}
	client, server := s.Control[0] > 0, s.Control[1] > 0
	switch m.Control {
	case "client":
		if !client {
			return "", false
		}
	case "server":
		if !server {
			return "", false
		}
	case "both":
		if !client || !server {
			return "", false
		}
	}
	switch {
	case m.Message != "" && !slices.Contains(s.Messages, m.Message),
		m.Reserved && !s.Reserved,
		m.Data && !bothWays(f, s.Data),
		m.Binding != "" && s.Binding != m.Binding:
		return "", false
	}
	if m.Identification != nil {
		p := f.obs.PPP
		if p == nil || !slices.ContainsFunc(p.Identification, func(id string) bool { return anyGlob(m.Identification, id) }) {
			return "", false
		}
		return strings.Join(p.Identification, ", "), true
	}
	if m.Message != "" {
		return m.Message, true
	}
	return strings.Join(s.Messages[:min(4, len(s.Messages))], ", "), true
}

// bothWays says that n is above 0 for every direction that was captured.
func bothWays(f *Flow, n [2]uint64) bool {
	return (n[0] > 0 || !f.obs.Seen[0]) && (n[1] > 0 || !f.obs.Seen[1]) && n[0]+n[1] > 0
}
