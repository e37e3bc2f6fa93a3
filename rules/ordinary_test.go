package rules_test

import (
	"hash/fnv"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"sstpwarden/inspect"
	"sstpwarden/inspect/tlswire"
)

// servicesVariable is how many servers TestOrdinary makes up of each service, each
// with connectionsEach connections and each cipher.
const (
	servicesVariable = "SSTPWARDEN_SERVICES"
	servicesDefault  = 3
	connectionsEach  = 8
)

// TestOrdinary bounds the false alarms of each kind of service, as long as its
// connections are looked at and with what is remembered of its server. It makes up
// 3 servers of each; for shares of a thousand set SSTPWARDEN_SERVICES=130, which
// takes minutes:
//
//	SSTPWARDEN_SERVICES=130 go test ./rules -run TestOrdinary -v
func TestOrdinary(t *testing.T) {
	t.Parallel()
	servers := servicesDefault
	if text := os.Getenv(servicesVariable); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			t.Fatalf("%s: %q is no number of servers", servicesVariable, text)
		}
		servers = n
	}
	own := slices.Concat(webServices, messageServices, mailServices, storeServices, remoteServices)
	all := slices.Concat(own, tunnelServices)
	for i := range own {
		all = append(all, proxied(own[i]))
	}
	for i := range all {
		for _, cipher := range []cipherCase{ciphers[0], ciphers[3], ciphers[5]} {
			n, suspected := servers*connectionsEach, 0
			r := rand.New(rand.NewPCG(seed(all[i].name), seed(cipher.name)))
			for range servers {
				suspected += visit(r, &all[i], cipher)
			}
			t.Logf("%s, %s: %d of %d", all[i].name, cipher.name, suspected, n)
			if most := all[i].most.of(n, cipher); suspected > most {
				t.Errorf("%s, %s: %d of %d are suspected, more than %d", all[i].name, cipher.name, suspected, n, most)
			}
		}
	}
}

func seed(name string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(name)) // a hash takes all there is
	return h.Sum64()
}

// visit makes up a server and connections to it, and says how many are suspected.
func visit(r *rand.Rand, x *service, cipher cipherCase) (suspected int) {
	in, connection := remembering(), x.make(r)
	var tickets []int
	if cipher.version == tlswire.VersionTLS13 {
		tickets = slices.Repeat([]int{between(r, 41, 250)}, oneOf(r, 0, 0, 0, 1, 1, 2, 2, 2, 2, 2))
	}
	for n := range connectionsEach {
		if isSuspected(watch(in, n, x.alpn, cipher, tickets, connection())) {
			suspected++
		}
	}
	return suspected
}

func isSuspected(f *inspect.Flow) bool {
	v := f.Detection().Verdict
	return v == inspect.VerdictSuspected || v == inspect.VerdictConfirmed
}

// watch has the server's nth connection looked at until it is suspected, or let go.
func watch(in *inspect.Inspector, n int, alpn string, cipher cipherCase, tickets []int, d []write) *inspect.Flow {
	key, at := nth(n)
	x := &session{in.Open(key, at), at, cipher}
	x.handshake("", alpn)
	for _, w := range join(s(tickets...), d) {
		if x.flow.Settled() || isSuspected(x.flow) {
			break
		}
		if w.from == nobody {
			x.at = x.at.Add(time.Duration(w.bytes) * time.Millisecond)
			continue
		}
		x.send(w.from, tlswire.ContentApplicationData, noise[:cipher.fragment(min(w.bytes, longestRecord))])
	}
	return x.flow
}

// longestRecord is RFC 8446's, Section 5.1; a fragment has what ciphers add besides.
const longestRecord = 16384

var noise [longestRecord + 256]byte
