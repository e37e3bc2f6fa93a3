package inspect

import "time"

// A Moment is when something was seen.
type Moment struct {
	// What was seen:
	//
	//	tls_client_hello tls_server_hello
	//	connect_request connect_response
	//	http_request http_response
	//	call_connect_request call_connect_ack call_connect_nak call_connected
	//	ppp_lcp_up ppp_auth_success ppp_auth_failure ip_up
	//	first_data  the first IP packet
	//	first_echo  the first SSTP echo request
	//	call_abort call_disconnect call_disconnect_ack
	//
	// or, of TLS that was not opened, "evidence " and the id of the rule that
	// recognised a step of the set-up by its records.
	What string
	// At is the time of the segment that completed it.
	At time.Time
}

const (
	// maxMoments bounds Observation.Timeline, endMoments what is set aside of
	// it for how calls end.
	maxMoments = 48
	endMoments = 8
)

// moment notes what was seen just now.
func (f *Flow) moment(what string) { f.momentUpTo(maxMoments-endMoments, what) }

// lastMoment notes an end, for which there is always room.
func (f *Flow) lastMoment(what string) { f.momentUpTo(maxMoments, what) }

func (f *Flow) momentUpTo(most int, what string) {
	if len(f.obs.Timeline) >= most {
		return
	}
	if f.obs.Timeline == nil {
		f.obs.Timeline = make([]Moment, 0, 2) // most connections are TLS, with two hellos
	}
	f.obs.Timeline = append(f.obs.Timeline, Moment{what, f.now})
}
