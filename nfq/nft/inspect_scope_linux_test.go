package nft

import (
	"fmt"
	"strings"
	"testing"
)

// What is in the scope is queued in both directions, and nothing else is, in every hook.
func TestInspectScope(t *testing.T) {
	type try struct {
		from, to string
		port     uint16
		queued   bool
	}
	for _, test := range []struct {
		name  string
		hook  HookName
		scope []string
		tries []try
		count string // a counter that has to have seen something
	}{
		{"port", "", []string{"port=443"}, []try{{"", server4, 443, true}, {"", server6, 443, true}, {"", server4, 80, false}, {"", server6, 80, false}}, CountNotPort},
		{"interface", HookForward, []string{"interface=" + inside}, []try{{"", server4, 443, true}, {"", server6, 443, true}}, ""},
		{"interface of servers", HookForward, []string{"interface=" + outside}, []try{{"", server4, 443, false}, {"", server6, 443, false}}, CountNotInterface},
		{"interface and port", HookForward, []string{"interface=" + inside, "port=443"}, []try{{"", server4, 443, true}, {"", server6, 80, false}}, CountNotPort},
		{"interface", HookInput, []string{"interface=out"}, []try{{"", server4, 443, true}, {"", server6, 443, true}}, ""},
		{"interface", HookOutput, []string{"interface=out"}, []try{{"", server4, 443, true}, {"", server6, 443, true}}, ""},
		{"other interface", HookInput, []string{"interface=eth7"}, []try{{"", server4, 443, false}}, CountNotInterface},
		{"other interface", HookOutput, []string{"interface=eth7"}, []try{{"", server6, 443, false}}, CountNotInterface},
		{"client", "", []string{"network=" + other4, "network=" + other6}, []try{{other4, server4, 443, true}, {other6, server6, 443, true}, {client4, server4, 443, false}, {client6, server6, 443, false}}, CountNotClient},
		{"clients of IPv4", "", []string{"network=10.1.0.0/16"}, []try{{"", server4, 443, true}, {"", server6, 443, false}}, CountNotClient},
		{"a server's network", "", []string{"network=10.2.0.0/16", "network=fd00:2::/64"}, []try{{"", server4, 443, false}, {"", server6, 443, false}}, CountNotClient},
		{"exclude", "", []string{"exclude=" + second4, "exclude=" + second6}, []try{{"", server4, 443, true}, {"", server6, 443, true}, {"", second4, 443, false}, {"", second6, 443, false}}, CountExcluded},
		{"exclude clients", "", []string{"exclude=10.1.0.0/16", "exclude=fd00:1::/64"}, []try{{"", server4, 443, true}, {"", server6, 443, true}}, ""},
	} {
		hooks := []HookName{test.hook}
		if test.hook == "" {
			hooks = HookNames()
		}
		for _, hook := range hooks {
			t.Run(fmt.Sprintf("%s/%s", test.name, hook), func(t *testing.T) {
				scope, err := ParseScope(test.scope)
				if err != nil {
					t.Fatal(err)
				}
				l := newLab(t)
				o := InspectOptions{Scope: scope}
				r := l.at(hook).read(o, nil)
				in := l.at(hook).inspect(o)
				for _, try := range test.tries {
					c, err := l.client.dial(try.from, try.to, try.port, nil)
					if err != nil {
						t.Fatal(err)
					}
					defer c.Close()
					if _, err := line(c); err != nil {
						t.Error(err)
					}
					client := addrPort(c.LocalAddr())
					there := r.of(func(p packet) bool { return p.from == client })
					back := r.of(func(p packet) bool { return p.to == client })
					// The handshake and the server's line, at least.
					if try.queued && (there < 2 || back < 2) || !try.queued && there+back > 0 {
						t.Errorf("%+v: %d packets of the client were queued, %d of the server", try, there, back)
					}
				}
				if got := counters(t, in); test.count != "" && got[test.count].Packets == 0 {
					t.Errorf("counters: %v; want some of %s", got, test.count)
				}
			})
		}
	}
}

// Only the hooks that were asked for are there.
func TestInspectHooks(t *testing.T) {
	for _, hook := range HookNames() {
		l := newLab(t)
		for _, where := range HookNames() {
			o := InspectOptions{Hooks: []HookName{hook}}
			r := l.at(where).read(o, nil)
			in := l.at(where).inspect(o)
			if _, err := l.client.ask("", server4, 443); err != nil {
				t.Error(err)
			}
			there, back := r.of(packet.fromClient), r.of(func(p packet) bool { return !p.fromClient() })
			// On the hosts a connection comes through one hook and goes by the other.
			wantThere := hook == where
			wantBack := hook == where && where == HookForward || hook != where && hook != HookForward && where != HookForward
			if (there > 0) != wantThere || (back > 0) != wantBack {
				t.Errorf("hook %s where %s is passed: %d packets there, %d back", hook, where, there, back)
			}
			in.Close()
		}
	}
}

// What a host has with itself is not inspected, unless it is asked for: then once.
func TestInspectLoopback(t *testing.T) {
	for _, loopback := range []bool{false, true} {
		h := newHost(t)
		h.answer(443, "itself")
		o := InspectOptions{Loopback: loopback}
		r := h.read(o, nil)
		in := h.inspect(o)
		for _, to := range []string{"127.0.0.1", "::1"} {
			h.wantAnswer("", to, 443, "itself "+to)
		}
		first := r.of(func(p packet) bool { return p.flags&handshakeFlags == flagSYN })
		if want := map[bool]int{true: 2}[loopback]; first != want {
			t.Errorf("%v: %d connections were inspected, want %d", loopback, first, want)
		}
		if got := counters(t, in); got[CountLoopback].Packets == 0 {
			t.Errorf("counters: %v", got)
		}
	}
}

// What is not TCP passes even where nobody reads the queue.
func TestInspectLeavesOthersAlone(t *testing.T) {
	l := newLab(t)
	l.router.inspect(InspectOptions{})
	for _, server := range []string{server4, server6} {
		if got, err := l.client.datagram(l.server, server); err != nil || got != "hello" {
			t.Errorf("UDP to %s: %q, %v", server, got, err)
		}
		if !l.client.stopped(server, 443) {
			t.Errorf("%s: TCP went past", server)
		}
		// That there is nobody at a port is told by ICMP.
		if err := l.client.unreachable(server); err == nil || !strings.Contains(err.Error(), "refused") {
			t.Errorf("ICMP from %s: %v", server, err)
		}
	}
}
