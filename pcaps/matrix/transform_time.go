package matrix

import (
	"time"

	"sstpwarden/pcaps/sstpref/profile"
)

// timeTransforms change when messages are sent.
var timeTransforms = []Transform{
	{Name: "delay-request", Family: "time", About: "the Call Connect Request half a second late", apply: delay(true, "call_connect_request", 500*time.Millisecond)},
	{Name: "delay-ack", Family: "time", About: "the Call Connect Ack half a second late", apply: delay(false, "call_connect_ack", 500*time.Millisecond)},
	{Name: "delay-ppp", Family: "time", About: "each PPP frame of the client 60 ms late", apply: delay(true, "ppp", 60*time.Millisecond)},
	{Name: "delay-both", Family: "time", About: "each PPP frame of both ends 60 ms late", apply: func(s *Setup) {
		delay(true, "ppp", 60*time.Millisecond)(s)
		delay(false, "ppp", 60*time.Millisecond)(s)
	}},
	{Name: "echo-jittered", Family: "time", About: "echoes at random between 100 and 900 ms, while nothing else is sent", apply: echo(profile.EchoTimer{Min: 100 * time.Millisecond, Max: 900 * time.Millisecond, Always: true, Misses: 10})},
	{Name: "echo-fast", Family: "time", About: "echoes each 150 ms, while nothing else is sent", apply: echo(profile.EchoTimer{Min: 150 * time.Millisecond, Max: 150 * time.Millisecond, Always: true, Misses: 10})},
	{Name: "idle", Family: "time", About: "nothing for two seconds behind the download", apply: func(s *Setup) { s.Hold = 2 * time.Second }},
}

func delay(client bool, kind string, d time.Duration) func(*Setup) {
	return func(s *Setup) {
		f := &s.Server.Faults
		if client {
			f = &s.Client.Faults
		}
		if f.Delay == nil {
			f.Delay = map[string]time.Duration{}
		}
		f.Delay[kind] = d
	}
}

func echo(t profile.EchoTimer) func(*Setup) {
	return func(s *Setup) {
		s.Client.Profile.Messages.Hello = t
		s.Hold = 2 * time.Second
	}
}
