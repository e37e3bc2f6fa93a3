package main

import (
	"context"
	"crypto/x509"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"

	"kernel.org/pub/linux/libs/security/libcap/cap"

	"sstpwarden/cmd/daemon"
	"sstpwarden/nfq/nft"
	"sstpwarden/proxy"
	"sstpwarden/proxy/access"
	"sstpwarden/proxy/bypass"
	"sstpwarden/proxy/mitm"
)

// mark is that of our own connections, which only the transparent modes need:
// it takes a capability.
func (s *proxyService) mark() uint32 {
	if len(s.config.Proxy.Transparent.Listen) == 0 {
		return 0
	}
	return nft.DefaultMark
}

func (s *proxyService) capabilities() []cap.Value {
	if s.mark() == 0 {
		return nil
	}
	return []cap.Value{cap.NET_ADMIN}
}

func (s *proxyService) destinations() *access.Destinations {
	d := s.config.Proxy.Destinations
	o := access.DestinationOptions{Ports: access.Ports(d.Ports), Allow: d.Allow, Deny: d.Deny}
	for _, l := range s.listeners {
		if a, ok := l.Addr().(*net.TCPAddr); ok {
			o.Listeners = append(o.Listeners, netip.AddrPortFrom(a.AddrPort().Addr().Unmap(), a.AddrPort().Port()))
		}
	}
	return access.NewDestinations(o)
}

func upstreamURL(text string) (*url.URL, error) {
	if text == "" {
		return nil, nil
	}
	return url.Parse(text)
}

func (s *proxyService) users() (*access.Users, error) {
	file := s.config.Proxy.Auth.File
	if file == "" {
		return nil, nil
	}
	u, err := access.LoadUsers(file)
	if err != nil {
		return nil, err
	}
	s.daemon.OnReload("users", func(context.Context) error { return u.Reload() }, file)
	return u, nil
}

// openBypass makes the list of what is not opened. The configured part follows
// the configuration's file.
func (s *proxyService) openBypass(path string) (*bypass.List, error) {
	i := s.config.Proxy.Intercept
	o := bypass.Options{
		RejectedLifetime: i.RejectedLifetime, TunnelLifetime: i.TunnelLifetime,
		OnError: func(err error) { s.daemon.Logger().Warn("keeping the bypass list", "error", err) },
	}
	if dir := s.daemon.StateDir(); dir != "" {
		o.File = filepath.Join(dir, "bypass.json")
	}
	s.bypass = bypass.New(o)
	if err := s.bypass.Configure(exempt(i.Bypass)); err != nil {
		return nil, err
	}
	for _, pattern := range []string{"GET /bypass", "POST /bypass", "DELETE /bypass", "DELETE /bypass/{id}"} {
		s.daemon.Handle(pattern, s.bypass.Handler())
	}
	if path != "" {
		s.daemon.ReloadConfig(path, s.config, func(_ context.Context, c *daemon.Config, changed []string) ([]string, error) {
			ours := slices.DeleteFunc(slices.Clone(changed), func(key string) bool { return !strings.HasPrefix(key, "proxy.intercept.bypass") })
			return ours, s.bypass.Configure(exempt(c.Proxy.Intercept.Bypass))
		})
	}
	return s.bypass, nil
}

// exempt gives a configuration's exemptions as entries of the list.
func exempt(b daemon.Bypass) []bypass.Entry {
	var list []bypass.Entry
	for _, name := range b.Names {
		list = append(list, bypass.Entry{Name: name})
	}
	for _, p := range b.Addresses {
		list = append(list, bypass.Entry{Address: p})
	}
	for _, p := range b.Networks {
		list = append(list, bypass.Entry{Client: p})
	}
	for _, user := range b.Users {
		list = append(list, bypass.Entry{User: user})
	}
	return list
}

// intercept loads what TLS is opened with, nil where it is not.
func (s *proxyService) intercept() (*proxy.Intercept, error) {
	c := s.config.Proxy.Intercept
	if c.CA == "" {
		return nil, nil
	}
	authority, err := mitm.Load(c.CA)
	if err != nil {
		return nil, err
	}
	cache := mitm.NewCache(authority, mitm.CacheOptions{Entries: c.Cache.Entries, Lifetime: c.Cache.Lifetime})
	s.daemon.OnReload("authority", func(context.Context) error {
		a, err := mitm.Load(c.CA)
		if err == nil {
			cache.Use(a)
		}
		return err
	}, c.CA)
	i := &proxy.Intercept{Cache: cache, FailClosed: c.Fail == daemon.FailClosed}
	if c.Roots != "" {
		var roots atomic.Pointer[x509.CertPool]
		load := func(context.Context) error {
			pool, err := mitm.LoadRoots(c.Roots)
			if err == nil {
				roots.Store(pool)
			}
			return err
		}
		if err := load(context.Background()); err != nil {
			return nil, err
		}
		s.daemon.OnReload("roots", load, c.Roots)
		i.Roots = roots.Load
	}
	return i, nil
}
