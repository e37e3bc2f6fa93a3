package pppref

import (
	"time"

	"sstpwarden/inspect/ppp"
	"sstpwarden/pcaps/pppref/pppauth"
)

// authentication is the one that is under way, or the one that has succeeded and
// still answers a peer who has not heard.
type authentication struct {
	protocol ppp.Protocol
	method   pppauth.Method
	party    pppauth.Party
	deadline time.Time // when nothing has come for a restart time
}

// end gives back what it holds.
func (a *authentication) end() {
	if a.party != nil {
		a.party.Close()
	}
	*a = authentication{}
}

func (l *Link) authenticate(m pppauth.Method) {
	party, err := l.cfg.NewParty(m)
	if err != nil {
		l.fail(&Error{Step: StepAuthentication, Reason: "authentication cannot begin", Err: err})
		return
	}
	l.auth = authentication{protocol: m.Option().Protocol, method: m, party: party}
	l.auth.deadline = l.now.Add(l.cfg.RestartTimer)
	l.auth.proceed(l, party.Start(), false)
}

func (a *authentication) receive(l *Link, payload []byte) {
	m, _, err := ppp.ParseMessage(a.protocol, payload)
	if err != nil {
		return
	}
	pending := !a.deadline.IsZero()
	answers := a.party.Receive(m)
	if pending && len(answers) > 0 {
		a.deadline = l.now.Add(l.cfg.RestartTimer)
	}
	a.proceed(l, answers, !pending)
}

func (l *Link) expireAuthentication() {
	a := &l.auth
	if a.deadline.IsZero() || l.now.Before(a.deadline) {
		return
	}
	a.deadline = l.now.Add(l.cfg.RestartTimer)
	a.proceed(l, a.party.Timeout(), false)
}

// proceed sends what the Party wants to have sent, and if it was pending until now,
// acts on what it has come to.
func (a *authentication) proceed(l *Link, messages []ppp.Message, settled bool) {
	party := a.party
	for _, m := range messages {
		l.send(a.protocol, m)
	}
	if settled {
		return
	}
	o := party.Outcome()
	switch o.State {
	case pppauth.Pending:
	case pppauth.Succeeded:
		a.deadline = time.Time{}
		l.authenticated(Authenticated{o.Name, a.method, o.HLAK})
	case pppauth.Failed:
		a.deadline = time.Time{}
		l.emit(AuthenticationFailed{o.Name, a.method, o.Err})
		l.fail(&Error{Step: StepAuthentication, Reason: "authentication failed", Err: o.Err})
	}
}
