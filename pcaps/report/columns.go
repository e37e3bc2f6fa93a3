package report

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"sstpwarden/inspect"
	"sstpwarden/policies/event"
)

// A column is one of the CSV: its name and what stands in it.
type column struct {
	name  string
	value func(*event.Event) string
}

// columns of the CSV. Their order and names stay; new ones come at the end.
var columns = []column{
	{"timestamp", func(e *event.Event) string { return instant(e.Timestamp) }},
	{"flow_id", func(e *event.Event) string { return strconv.FormatUint(e.FlowID, 10) }},
	{"community_id", func(e *event.Event) string { return cell(e.CommunityID) }},
	{"src_ip", func(e *event.Event) string { return address(e.SrcIP) }},
	{"src_port", func(e *event.Event) string { return plain(e.SrcPort) }},
	{"dest_ip", func(e *event.Event) string { return address(e.DestIP) }},
	{"dest_port", func(e *event.Event) string { return plain(e.DestPort) }},
	{"proto", func(e *event.Event) string { return cell(e.Proto) }},
	{"app_proto", func(e *event.Event) string { return cell(e.AppProto) }},
	{"seen", func(e *event.Event) string { return cell(e.Seen) }},
	{"midstream", func(e *event.Event) string { return yes(e.Midstream) }},
	{"lost_bytes", func(e *event.Event) string { return plain(e.LostBytes) }},
	{"duration", func(e *event.Event) string { return strconv.FormatFloat(e.Duration, 'f', -1, 64) }},
	{"pkts_toserver", func(e *event.Event) string { return plain(e.PktsToServer) }},
	{"pkts_toclient", func(e *event.Event) string { return plain(e.PktsToClient) }},
	{"bytes_toserver", func(e *event.Event) string { return strconv.FormatUint(e.BytesToServer, 10) }},
	{"bytes_toclient", func(e *event.Event) string { return strconv.FormatUint(e.BytesToClient, 10) }},
	{"source", func(e *event.Event) string { return cell(e.Source) }},
	{"user", func(e *event.Event) string { return cell(e.User) }},
	{"server_name", of(server, func(s *event.Server) string { return cell(s.Name) })},
	{"server_ip", of(server, func(s *event.Server) string { return address(s.IP) })},
	{"server_port", of(server, func(s *event.Server) string { return plain(s.Port) })},

	{"detection_verdict", func(e *event.Event) string { return e.Detection.Verdict.String() }},
	{"detection_kind", func(e *event.Event) string { return e.Detection.Kind.String() }},
	{"detection_score", func(e *event.Event) string { return strconv.Itoa(e.Detection.Score) }},
	{"detection_probability", func(e *event.Event) string { return strconv.FormatFloat(e.Detection.Probability, 'f', -1, 64) }},
	{"detection_client", func(e *event.Event) string { return cell(e.Detection.Client) }},
	{"detection_server", func(e *event.Event) string { return cell(e.Detection.Server) }},
	{"detection_evidence", func(e *event.Event) string { return evidenceCell(e.Detection.Evidence) }},

	{"decision_action", of(decision, func(d *event.Decision) string { return cell(d.Action) })},
	{"decision_reason", of(decision, func(d *event.Decision) string { return cell(d.Reason) })},
	{"decision_rule", of(decision, func(d *event.Decision) string { return cell(d.Rule) })},
	{"decision_revision", of(decision, func(d *event.Decision) string { return cell(d.Revision) })},
	{"decision_enforced", of(decision, func(d *event.Decision) string { return strconv.FormatBool(d.Enforced) })},
	{"decision_reset", of(decision, func(d *event.Decision) string { return yes(d.Reset) })},
	{"decision_ban", of(decision, func(d *event.Decision) string { return cell(d.Ban) })},
	{"decision_intercept", of(decision, func(d *event.Decision) string { return yes(d.Intercept) })},
	{"decision_probe", of(decision, func(d *event.Decision) string { return yes(d.Probe) })},
	{"decision_dry_run", of(decision, func(d *event.Decision) string { return yes(d.DryRun) })},
	{"other_decision_action", of(otherDecision, func(d *event.Decision) string { return cell(d.Action) })},
	{"other_decision_reason", of(otherDecision, func(d *event.Decision) string { return cell(d.Reason) })},
	{"other_decision_rule", of(otherDecision, func(d *event.Decision) string { return cell(d.Rule) })},
	{"other_decision_revision", of(otherDecision, func(d *event.Decision) string { return cell(d.Revision) })},

	{"connect_target", of(connect, func(c *event.Connect) string { return cell(c.Target) })},
	{"connect_protocol", of(connect, func(c *event.Connect) string { return cell(c.Protocol) })},
	{"connect_sstp_version", of(connect, func(c *event.Connect) string { return cell(header(c.SSTPVersion)) })},
	{"connect_user_agent", of(connect, func(c *event.Connect) string { return cell(c.UserAgent) })},
	{"connect_headers", of(connect, func(c *event.Connect) string { return list(c.Headers) })},
	{"connect_user", of(connect, func(c *event.Connect) string { return cell(c.User) })},
	{"connect_status", of(connect, func(c *event.Connect) string { return plain(c.Status) })},
	{"connect_tunnel", of(connect, func(c *event.Connect) string { return yes(c.Tunnel) })},
	{"connect_oddities", of(connect, func(c *event.Connect) string { return list(c.Oddities) })},

	{"tls_version", of(tls, func(t *event.TLS) string { return cell(t.Version) })},
	{"tls_cipher", of(tls, func(t *event.TLS) string { return cell(t.Cipher) })},
	{"tls_sni", of(tls, func(t *event.TLS) string { return cell(t.SNI) })},
	{"tls_ech", of(tls, func(t *event.TLS) string { return yes(t.ECH) })},
	{"tls_alpn", of(tls, func(t *event.TLS) string { return cell(t.ALPN) })},
	{"tls_alpn_offered", of(tls, func(t *event.TLS) string { return list(t.ALPNOffered) })},
	{"tls_ja3", of(tls, func(t *event.TLS) string { return cell(t.JA3) })},
	{"tls_ja3s", of(tls, func(t *event.TLS) string { return cell(t.JA3S) })},
	{"tls_ja4", of(tls, func(t *event.TLS) string { return cell(t.JA4) })},
	{"tls_subject", of(tls, func(t *event.TLS) string { return cell(t.Subject) })},
	{"tls_issuer", of(tls, func(t *event.TLS) string { return cell(t.Issuer) })},
	{"tls_not_before", of(tls, func(t *event.TLS) string { return instant(t.NotBefore) })},
	{"tls_not_after", of(tls, func(t *event.TLS) string { return instant(t.NotAfter) })},
	{"tls_self_signed", of(tls, func(t *event.TLS) string { return yes(t.SelfSigned) })},
	{"tls_certificate_sha256", of(tls, func(t *event.TLS) string { return cell(t.CertificateSHA256) })},
	{"tls_records_toserver", of(tls, func(t *event.TLS) string { return plain(t.RecordsToServer) })},
	{"tls_records_toclient", of(tls, func(t *event.TLS) string { return plain(t.RecordsToClient) })},
	{"tls_opened", of(tls, func(t *event.TLS) string { return yes(t.Opened) })},
	{"tls_not_opened", of(tls, func(t *event.TLS) string { return cell(t.NotOpened) })},

	{"http_method", of(http, func(h *event.HTTP) string { return cell(h.Method) })},
	{"http_target", of(http, func(h *event.HTTP) string { return cell(h.Target) })},
	{"http_protocol", of(http, func(h *event.HTTP) string { return cell(h.Protocol) })},
	{"http_host", of(http, func(h *event.HTTP) string { return cell(h.Host) })},
	{"http_content_length", of(http, func(h *event.HTTP) string { return optional(h.ContentLength) })},
	{"http_user_agent", of(http, func(h *event.HTTP) string { return cell(h.UserAgent) })},
	{"http_headers", of(http, func(h *event.HTTP) string { return list(h.Headers) })},
	{"http_status", of(http, func(h *event.HTTP) string { return plain(h.Status) })},
	{"http_server", of(http, func(h *event.HTTP) string { return cell(h.Server) })},
	{"http_response_headers", of(http, func(h *event.HTTP) string { return list(h.ResponseHeaders) })},
	{"http_oddities", of(http, func(h *event.HTTP) string { return list(h.Oddities) })},
	{"http_exchanges", of(http, func(h *event.HTTP) string { return plain(h.Exchanges) })},

	{"sstp_control_toserver", of(sstp, func(s *event.SSTP) string { return plain(s.ControlToServer) })},
	{"sstp_control_toclient", of(sstp, func(s *event.SSTP) string { return plain(s.ControlToClient) })},
	{"sstp_data_toserver", of(sstp, func(s *event.SSTP) string { return plain(s.DataToServer) })},
	{"sstp_data_toclient", of(sstp, func(s *event.SSTP) string { return plain(s.DataToClient) })},
	{"sstp_data_bytes_toserver", of(sstp, func(s *event.SSTP) string { return plain(s.DataBytesToServer) })},
	{"sstp_data_bytes_toclient", of(sstp, func(s *event.SSTP) string { return plain(s.DataBytesToClient) })},
	{"sstp_echo_toserver", of(sstp, func(s *event.SSTP) string { return plain(s.EchoToServer) })},
	{"sstp_echo_toclient", of(sstp, func(s *event.SSTP) string { return plain(s.EchoToClient) })},
	{"sstp_messages", of(sstp, func(s *event.SSTP) string { return list(s.Messages) })},
	{"sstp_encapsulated_protocol", of(sstp, func(s *event.SSTP) string { return plain(s.EncapsulatedProtocol) })},
	{"sstp_hash_offered", of(sstp, func(s *event.SSTP) string { return list(s.HashOffered) })},
	{"sstp_hash_used", of(sstp, func(s *event.SSTP) string { return cell(s.HashUsed) })},
	{"sstp_crypto_binding", of(sstp, func(s *event.SSTP) string { return cell(s.CryptoBinding) })},
	{"sstp_crypto_binding_unknown", of(sstp, func(s *event.SSTP) string { return cell(s.CryptoBindingUnknown) })},
	{"sstp_reserved_bits", of(sstp, func(s *event.SSTP) string { return yes(s.ReservedBits) })},
	{"sstp_correlation_id", of(sstp, func(s *event.SSTP) string { return cell(s.CorrelationID) })},
	{"sstp_nak", of(sstp, func(s *event.SSTP) string { return cell(s.NAK) })},
	{"sstp_end", of(sstp, func(s *event.SSTP) string { return cell(s.End) })},
	{"sstp_end_by", of(sstp, func(s *event.SSTP) string { return cell(s.EndBy) })},
	{"sstp_end_status", of(sstp, func(s *event.SSTP) string { return cell(s.EndStatus) })},
	{"sstp_first", of(sstp, func(s *event.SSTP) string { return instant(s.First) })},
	{"sstp_last", of(sstp, func(s *event.SSTP) string { return instant(s.Last) })},

	{"ppp_auth", of(ppp, func(p *event.PPP) string { return cell(p.Auth) })},
	{"ppp_user", of(ppp, func(p *event.PPP) string { return cell(p.User) })},
	{"ppp_authenticator", of(ppp, func(p *event.PPP) string { return cell(p.Authenticator) })},
	{"ppp_result", of(ppp, func(p *event.PPP) string { return cell(p.Result) })},
	{"ppp_message", of(ppp, func(p *event.PPP) string { return cell(p.Message) })},
	{"ppp_client_ip", of(ppp, func(p *event.PPP) string { return address(p.ClientIP) })},
	{"ppp_server_ip", of(ppp, func(p *event.PPP) string { return address(p.ServerIP) })},
	{"ppp_client_ip6", of(ppp, func(p *event.PPP) string { return address(p.ClientIP6) })},
	{"ppp_dns", of(ppp, func(p *event.PPP) string { return addresses(p.DNS) })},
	{"ppp_mru_client", of(ppp, func(p *event.PPP) string { return plain(p.MRUClient) })},
	{"ppp_mru_server", of(ppp, func(p *event.PPP) string { return plain(p.MRUServer) })},
	{"ppp_identification", of(ppp, func(p *event.PPP) string { return list(p.Identification) })},
	{"ppp_protocols", of(ppp, func(p *event.PPP) string { return list(p.Protocols) })},
	{"ppp_ip_pkts_toserver", of(ppp, func(p *event.PPP) string { return plain(p.IPPktsToServer) })},
	{"ppp_ip_pkts_toclient", of(ppp, func(p *event.PPP) string { return plain(p.IPPktsToClient) })},
	{"ppp_ip_bytes_toserver", of(ppp, func(p *event.PPP) string { return plain(p.IPBytesToServer) })},
	{"ppp_ip_bytes_toclient", of(ppp, func(p *event.PPP) string { return plain(p.IPBytesToClient) })},
}

// of gives the value of a part that an event may lack.
func of[T any](part func(*event.Event) *T, value func(*T) string) func(*event.Event) string {
	return func(e *event.Event) string {
		if p := part(e); p != nil {
			return value(p)
		}
		return ""
	}
}

func server(e *event.Event) *event.Server          { return e.Server }
func decision(e *event.Event) *event.Decision      { return e.Decision }
func otherDecision(e *event.Event) *event.Decision { return e.OtherDecision }
func connect(e *event.Event) *event.Connect        { return e.Connect }
func tls(e *event.Event) *event.TLS                { return e.TLS }
func http(e *event.Event) *event.HTTP              { return e.HTTP }
func sstp(e *event.Event) *event.SSTP              { return e.SSTP }
func ppp(e *event.Event) *event.PPP                { return e.PPP }

// plain writes a number, and nothing for the 0 that events leave out.
func plain[N int | uint16 | uint64](n N) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprint(n)
}

func optional(n *uint64) string {
	if n == nil {
		return ""
	}
	return strconv.FormatUint(*n, 10)
}

// yes writes what events say only where it is so.
func yes(b bool) string {
	if b {
		return "true"
	}
	return ""
}

func instant(t event.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.String()
}

func list(parts []string) string { return cell(strings.Join(parts, "; ")) }

func addresses(list []netip.Addr) string {
	parts := make([]string, len(list))
	for i, a := range list {
		parts[i] = address(a)
	}
	return strings.Join(parts, "; ")
}

func header(h *event.Header) string {
	if h == nil {
		return ""
	}
	return h.Name + ": " + h.Value
}

func evidenceCell(evidence []inspect.Evidence) string {
	parts := make([]string, len(evidence))
	for i, ev := range evidence {
		parts[i] = fmt.Sprintf("%s %+d", ev.Rule, ev.Weight)
		if ev.Proof {
			parts[i] += " proof"
		}
	}
	return cell(strings.Join(parts, "; "))
}
