package main

import (
	"crypto/tls"
	"fmt"
	"math/rand/v2"
	"time"
)

// A template says how one kind of TLS connection is recorded, and how common
// it is.
type template struct {
	host     string
	version  uint16 // tls.VersionTLS12 or 13
	suite    uint16 // TLS 1.2 only; 0 leaves it to crypto/tls
	key      string // of the certificate
	names    int    // further names in the certificate, 25 bytes each
	alpn     string // "" for none
	quantum  bool   // the client offers X25519MLKEM768 too: a ClientHello of two packets
	retry    bool   // the server wants another group: HelloRetryRequest
	resumed  bool   // the handshake resumes an earlier session
	full     bool   // records are of 16 KB from the start, as OpenSSL's are
	script   script
	commonly int // out of the sum over all templates
}

const (
	tls12 = tls.VersionTLS12
	tls13 = tls.VersionTLS13

	ecdheECDSAAES128GCM = tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
	ecdheRSAAES128GCM   = tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
	ecdheRSAAES256GCM   = tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384
	ecdheRSAChaCha20    = tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256
	ecdheRSAAES128CBC   = tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA
	ecdheRSAAES256CBC   = tls.TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA
	rsaAES128GCM        = tls.TLS_RSA_WITH_AES_128_GCM_SHA256
)

// templates are what an edge of offices, with some machines and phones, sees:
// two thirds TLS 1.3, most connections small, most bytes in few large ones.
var templates = []template{
	// Pages and what belongs to them.
	{host: "www.news.example", version: tls13, key: keyECDSA, names: 30, alpn: "h2", quantum: true, script: h2(each(14, kb, 24*kb)...), commonly: 60},
	{host: "static.news.example", version: tls13, key: keyECDSA, names: 90, alpn: "h2", full: true, script: h2(each(9, 2*kb, 60*kb)...), commonly: 60},
	{host: "search.example", version: tls13, key: keyECDSA, names: 60, alpn: "h2", quantum: true, script: h2(each(6, 3*kb, 40*kb)...), commonly: 90},
	{host: "shop.example", version: tls13, key: keyRSA, names: 2, alpn: "h2", script: h2(each(20, 500, 20*kb)...), commonly: 50},
	{host: "images.shop.example", version: tls13, key: keyRSA, names: 2, alpn: "h2", resumed: true, script: h2(each(12, 2*kb, 40*kb)...), commonly: 50},
	{host: "intranet.corp.example", version: tls12, suite: ecdheRSAAES256GCM, key: keyRSA, alpn: "http/1.1", full: true, script: web(each(6, kb, 30*kb)...), commonly: 60},
	{host: "wiki.corp.example", version: tls13, key: keyRSA, alpn: "http/1.1", full: true, script: web(each(5, 2*kb, 40*kb)...), commonly: 40},
	{host: "old.corp.example", version: tls12, suite: ecdheRSAAES128CBC, key: keyRSA, script: web(each(4, kb, 20*kb)...), commonly: 30},
	{host: "printer.corp.example", version: tls12, suite: rsaAES128GCM, key: keyRSA, script: web(2*kb, 6*kb), commonly: 15},
	{host: "erp.corp.example", version: tls12, suite: ecdheRSAAES256CBC, key: keyRSA, alpn: "http/1.1", full: true, script: web(each(9, kb, 30*kb)...), commonly: 20},

	// Programs that ask and are answered.
	{host: "api.mail.example", version: tls13, key: keyECDSA, names: 8, alpn: "h2", quantum: true, script: h2(each(5, 200, 3*kb)...), commonly: 320},
	{host: "telemetry.os.example", version: tls13, key: keyRSA, names: 12, alpn: "h2", script: upload(2*kb, 4*kb), commonly: 300},
	{host: "telemetry.browser.example", version: tls13, key: keyECDSA, alpn: "h2", quantum: true, resumed: true, script: upload(1200), commonly: 240},
	{host: "login.idp.example", version: tls12, suite: ecdheRSAAES128GCM, key: keyRSA, names: 20, alpn: "h2", script: h2(3*kb, 900, 1400), commonly: 160},
	{host: "graph.idp.example", version: tls13, key: keyRSA, names: 20, alpn: "http/1.1", resumed: true, script: web(each(3, 400, 5*kb)...), commonly: 180},
	{host: "ads.example", version: tls13, key: keyECDSA, names: 40, alpn: "h2", script: h2(700, 2*kb), commonly: 300},
	{host: "pixel.ads.example", version: tls12, suite: ecdheECDSAAES128GCM, key: keyECDSA, names: 3, alpn: "h2", script: h2(43), commonly: 260},
	{host: "weather.example", version: tls12, suite: ecdheRSAChaCha20, key: keyRSA, alpn: "http/1.1", script: web(2 * kb), commonly: 120},
	{host: "updates.av.example", version: tls12, suite: ecdheRSAAES256GCM, key: keyRSA, script: web(2*kb, 300), commonly: 120},
	{host: "config.phone.example", version: tls13, key: keyECDSA, retry: true, alpn: "h2", script: h2(5 * kb), commonly: 50},
	{host: "git.example", version: tls13, key: keyECDSA, alpn: "http/1.1", script: web(4*kb, 150*kb), commonly: 12},
	{host: "registry.example", version: tls12, suite: ecdheRSAAES128GCM, key: keyRSA, resumed: true, alpn: "http/1.1", script: web(900, 3*kb, 12*kb), commonly: 25},
	{host: "", version: tls13, key: keyRSA, script: web(3 * kb), commonly: 25}, // addressed by number: no SNI
	{host: "dns.example", version: tls13, key: keyECDSA, alpn: "h2", script: h2(each(25, 90, 400)...), commonly: 90},

	// Downloads and streams.
	{host: "video.example", version: tls13, key: keyECDSA, names: 30, alpn: "h2", quantum: true, script: h2(each(6, 300*kb, 900*kb)...), commonly: 6},
	{host: "live.video.example", version: tls12, suite: ecdheECDSAAES128GCM, key: keyECDSA, alpn: "http/1.1", full: true, script: web(each(8, 150*kb, 400*kb)...), commonly: 5},
	{host: "music.example", version: tls13, key: keyRSA, alpn: "h2", script: h2(each(4, 150*kb, 350*kb)...), commonly: 8},
	{host: "download.os.example", version: tls13, key: keyRSA, alpn: "http/1.1", full: true, script: web(20 * mb), commonly: 1},
	{host: "mirror.example", version: tls12, suite: ecdheRSAAES128GCM, key: keyRSA, alpn: "http/1.1", full: true, script: web(5 * mb), commonly: 2},
	{host: "packages.example", version: tls13, key: keyECDSA, alpn: "h2", script: h2(each(5, 20*kb, 700*kb)...), commonly: 8},
	{host: "documents.example", version: tls13, key: keyECDSA, alpn: "h2", script: h2(12*kb, 350*kb, 4*kb), commonly: 30},

	// Uploads.
	{host: "photos.example", version: tls13, key: keyECDSA, alpn: "h2", quantum: true, script: upload(2*mb, 900*kb), commonly: 3},
	{host: "backup.corp.example", version: tls12, suite: ecdheRSAAES256GCM, key: keyRSA, script: upload(4 * mb), commonly: 2},
	{host: "attachments.mail.example", version: tls13, key: keyRSA, alpn: "http/1.1", script: upload(400 * kb), commonly: 8},

	// Chatty and long-lived.
	{host: "chat.example", version: tls13, key: keyECDSA, alpn: "http/1.1", quantum: true, script: socket(60), commonly: 35},
	{host: "trade.example", version: tls13, key: keyRSA, alpn: "http/1.1", script: socket(160), commonly: 12},
	{host: "meet.example", version: tls12, suite: ecdheRSAChaCha20, key: keyRSA, alpn: "http/1.1", script: socket(40), commonly: 15},
	{host: "push.phone.example", version: tls13, key: keyECDSA, script: poll(4, 15*time.Second), commonly: 40},
	{host: "imap.mail.example", version: tls12, suite: ecdheRSAAES256GCM, key: keyRSA, script: poll(2, 29*time.Second), commonly: 30},
	{host: "broker.iot.example", version: tls12, suite: ecdheRSAAES128GCM, key: keyRSA, script: poll(1, 75*time.Second), commonly: 20},
}

// record makes the conversation of a template.
func (t *template) record(a *authority, seed uint64) (*conversation, error) {
	name := t.host
	if name == "" {
		name = "192.0.2.10.nip.example"
	}
	certificate, err := a.issue(name, t.key, t.names)
	if err != nil {
		return nil, fmt.Errorf("issuing a certificate for %s: %w", name, err)
	}
	client, server := t.configs(certificate, newCryptoRandom(seed, "client "+name), newCryptoRandom(seed, "server "+name))
	if t.resumed {
		client.ClientSessionCache = tls.NewLRUClientSessionCache(1)
		if _, err := recordTLS(client, server, web(100)(rand.New(rand.NewPCG(seed, 0)))); err != nil {
			return nil, fmt.Errorf("recording the first session with %s: %w", name, err)
		}
	}
	rec, err := recordTLS(client, server, t.script(randomFor(seed, "script "+name)))
	if err != nil {
		return nil, fmt.Errorf("recording %s: %w", name, err)
	}
	return rec, nil
}

func (t *template) configs(certificate tls.Certificate, clientRandom, serverRandom cryptoRandom) (client, server *tls.Config) {
	now := func() time.Time { return recorded }
	client = &tls.Config{
		Rand: clientRandom, Time: now,
		ServerName:         t.host,
		InsecureSkipVerify: true, // nobody to trust: both ends are ours and in memory
		MinVersion:         tls12, MaxVersion: tls13,
		CurvePreferences: []tls.CurveID{tls.X25519, tls.CurveP256},
	}
	server = &tls.Config{
		Rand: serverRandom, Time: now,
		Certificates: []tls.Certificate{certificate},
		MinVersion:   tls12, MaxVersion: t.version,
		// ML-KEM only in what the client offers: the server's part of it would
		// be different each time.
		CurvePreferences:            []tls.CurveID{tls.X25519},
		DynamicRecordSizingDisabled: t.full,
	}
	client.DynamicRecordSizingDisabled = t.full
	if t.quantum {
		client.CurvePreferences = append([]tls.CurveID{tls.X25519MLKEM768}, client.CurvePreferences...)
	}
	if t.retry {
		server.CurvePreferences = []tls.CurveID{tls.CurveP256}
	}
	if t.suite != 0 {
		server.CipherSuites = []uint16{t.suite}
		client.CipherSuites = []uint16{ecdheECDSAAES128GCM, ecdheRSAAES128GCM, ecdheRSAAES256GCM, ecdheRSAChaCha20, ecdheRSAAES128CBC, ecdheRSAAES256CBC, rsaAES128GCM}
	}
	if t.alpn != "" {
		client.NextProtos = []string{"h2", "http/1.1"}
		server.NextProtos = []string{t.alpn}
	}
	return client, server
}
