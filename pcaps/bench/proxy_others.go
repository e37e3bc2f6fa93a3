package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// The others are configured to do no more than is measured: no logs, no cache,
// no rules.

const squidConfig = `
http_port %[1]s %[2]s
http_access allow all
pid_filename none
access_log none
cache_log %[3]s
cache_store_log none
cache deny all
coredump_dir none
netdb_filename none
pinger_enable off
client_db off
visible_hostname bench
shutdown_lifetime 0 seconds
`

// squidOpens has squid open TLS, with certificates from its helper, kept.
const squidOpens = `
sslcrtd_program %[1]s -s %[2]s -M 16MB
sslcrtd_children 2 startup=1 idle=1
tls_outgoing_options cafile=%[3]s
acl hello at_step SslBump1
ssl_bump peek hello
ssl_bump bump all
`

func beginSquid(ctx context.Context, a *arena, e *entrant) (*child, error) {
	program, err := installed(a.squid)
	if err != nil {
		return nil, err
	}
	if e.way.proxy, err = freeAddress(); err != nil {
		return nil, err
	}
	name, options, further := "squid", "", ""
	if e.opens {
		name, options = "squid-opens", fmt.Sprintf("ssl-bump cert=%s generate-host-certificates=on dynamic_cert_mem_cache_size=16MB", a.issuer.both)
		if further, err = a.squidHelper(ctx, program); err != nil {
			return nil, err
		}
	}
	log := filepath.Join(a.dir, name+".log") // squid's own user writes it
	if err := errors.Join(os.WriteFile(log, nil, 0o666), os.Chmod(log, 0o666)); err != nil {
		return nil, err
	}
	config, err := a.write(name+".conf", fmt.Sprintf(squidConfig, e.way.proxy, options, log)+further)
	if err != nil {
		return nil, err
	}
	return startChild(ctx, []string{e.way.proxy}, program, "-N", "-f", config)
}

// squidHelper prepares the helper that makes certificates, and gives the
// configuration for it.
func (a *arena) squidHelper(ctx context.Context, program string) (string, error) {
	about, err := exec.CommandContext(ctx, program, "-v").Output()
	if err != nil {
		return "", fmt.Errorf("running %s -v: %w", program, err)
	}
	if !strings.Contains(string(about), "--enable-ssl-crtd") {
		return "", errors.New("squid is built without OpenSSL: apt-get install squid-openssl, or unpack that package and name its squid with -squid")
	}
	helper := filepath.Join(filepath.Dir(program), "..", "lib", "squid", "security_file_certgen")
	store := filepath.Join(a.dir, "squid-certificates")
	if out, err := exec.CommandContext(ctx, helper, "-c", "-s", store, "-M", "16MB").CombinedOutput(); err != nil {
		return "", fmt.Errorf("running %s: %w: %s", helper, err, strings.TrimSpace(string(out)))
	}
	err = filepath.WalkDir(store, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() { // squid's own user works there
			return os.Chmod(path, 0o777)
		}
		return os.Chmod(path, 0o666)
	})
	if err != nil {
		return "", err
	}
	return fmt.Sprintf(squidOpens, helper, store, a.issuer.certFile), nil
}

const haproxyConfig = `
global
    maxconn 2000
defaults
    mode tcp
    option splice-auto
    timeout connect 5s
    timeout client 1h
    timeout server 1h
listen echo
    bind %s
    server peer %s
listen https
    bind %s
    server peer %s
`

// beginHAProxy starts haproxy in TCP mode: it reads no CONNECT, and passes what
// comes on to the peer.
func beginHAProxy(ctx context.Context, a *arena, e *entrant) (*child, error) {
	program, err := installed("haproxy")
	if err != nil {
		return nil, err
	}
	e.way.hops = &services{}
	for i := range e.way.hops {
		if e.way.hops[i], err = freeAddress(); err != nil {
			return nil, err
		}
	}
	config, err := a.write("haproxy.conf", fmt.Sprintf(haproxyConfig, e.way.hops[echoing], a.peer[echoing], e.way.hops[https], a.peer[https]))
	if err != nil {
		return nil, err
	}
	return startChild(ctx, e.way.hops[:], program, "-db", "-f", config)
}

const tinyproxyConfig = `
Listen %s
Port %s
Timeout 600
MaxClients 500
LogLevel Critical
Allow 127.0.0.1
`

func beginTinyproxy(ctx context.Context, a *arena, e *entrant) (*child, error) {
	program, err := installed("tinyproxy")
	if err != nil {
		return nil, err
	}
	if e.way.proxy, err = freeAddress(); err != nil {
		return nil, err
	}
	host, port, err := net.SplitHostPort(e.way.proxy)
	if err != nil {
		return nil, err
	}
	config, err := a.write("tinyproxy.conf", fmt.Sprintf(tinyproxyConfig, host, port))
	if err != nil {
		return nil, err
	}
	return startChild(ctx, []string{e.way.proxy}, program, "-d", "-c", config)
}

// beginMitmproxy starts mitmdump as it is shipped. It then keeps a body until it
// is whole before it passes it on.
func beginMitmproxy(ctx context.Context, a *arena, e *entrant) (*child, error) {
	return a.mitmdump(ctx, e, "mitmproxy")
}

// beginStreaming has mitmdump pass large bodies on as they come.
func beginStreaming(ctx context.Context, a *arena, e *entrant) (*child, error) {
	return a.mitmdump(ctx, e, "mitmproxy-streaming", "--set", "stream_large_bodies=64k")
}

func (a *arena) mitmdump(ctx context.Context, e *entrant, folder string, further ...string) (*child, error) {
	program, err := installed("mitmdump")
	if err != nil {
		return nil, err
	}
	if e.way.proxy, err = freeAddress(); err != nil {
		return nil, err
	}
	host, port, err := net.SplitHostPort(e.way.proxy)
	if err != nil {
		return nil, err
	}
	command := append([]string{
		program, "--quiet", "--listen-host", host, "--listen-port", port,
		"--set", "confdir=" + filepath.Join(a.dir, folder), "--set", "ssl_verify_upstream_trusted_ca=" + a.issuer.certFile,
	}, further...)
	return startChild(ctx, []string{e.way.proxy}, command...)
}
