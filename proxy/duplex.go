package proxy

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"sstpwarden/inspect/httphead"
	"sstpwarden/proxy/guard"
)

// duplexTo serves a request that never ends, of SSTP in clear: the policy lets it
// be, so its head goes to the server, and then whatever comes.
func (k *session) duplexTo(ctx context.Context, conn *net.TCPConn, taken *guard.Taken) {
	head := taken.Head
	if err := k.login(ctx, head.Fields.Get("Proxy-Authorization")); err != nil {
		k.refuse(conn, k.srv.challenge(err), err)
		return
	}
	u, err := url.Parse(head.Target)
	if err != nil || u.Scheme != "http" || u.Host == "" {
		k.srv.counts.refusedHead.Add(1)
		k.refuse(conn, answer{status: http.StatusBadRequest, text: "this is a proxy: ask it for whole URLs, or with CONNECT"}, err)
		return
	}
	host := u.Host
	if u.Port() == "" {
		host = net.JoinHostPort(u.Hostname(), "80")
	}
	t, err := parseTarget(host)
	if err != nil {
		k.refuse(conn, answer{status: http.StatusBadRequest, text: err.Error()}, err)
		return
	}
	server, ok := k.reach(ctx, conn, t, nil)
	if !ok {
		return
	}
	// The target as it was sent, from the path on: braces must stay braces.
	_, path, _ := strings.Cut(head.Target, "://")
	if i := strings.IndexAny(path, "/?"); i < 0 {
		head.Target = "/"
	} else if head.Target = path[i:]; path[i] == '?' {
		head.Target = "/" + head.Target
	}
	head.Fields = slices.DeleteFunc(slices.Clone(head.Fields), func(f httphead.Field) bool {
		return strings.HasPrefix(strings.ToLower(f.Name), "proxy-")
	})
	for i, f := range head.Fields { // of two hosts the target's counts (RFC 9112, Section 3.2.2)
		if strings.EqualFold(f.Name, "Host") {
			head.Fields[i].Value = u.Host
		}
	}
	if _, err := server.conn.Write(head.Append(nil)); err != nil {
		_ = server.conn.Close()
		k.notReached(conn, t.String(), err)
		return
	}
	k.tunnel(ctx, conn, taken.Buffered, server)
}
