package daemon

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"time"

	"golang.org/x/net/netutil"
)

// What the admin listener allows. Profiles take as long as they are asked to.
const (
	adminTimeout   = 10 * time.Second
	profileTimeout = 5 * time.Minute
	adminClients   = 64
	adminMaxHeader = 16 << 10
)

// newSocket ends the name of a socket that is being made.
const newSocket = ".new"

// socketMode lets the owner and the group of a socket use it.
const socketMode = 0o660

// adminName is what systemd's unit calls the admin's socket.
const adminName = "admin"

// An admin is the listener for people and their monitoring.
type admin struct {
	listener net.Listener
	server   *http.Server
	path     string      // of a socket of ours, "" for none
	socket   fs.FileInfo // at path
}

func (d *Daemon) openAdmin() (*admin, error) {
	addr, err := parseAdmin(d.cfg.Admin.Listen)
	if err != nil {
		return nil, err // it was checked
	}
	a := &admin{}
	if path, isSocket := addr.(*net.UnixAddr); isSocket && !d.sockets.has(adminName) {
		err = a.listenUnix(path.Name, d.cfg.User)
	} else {
		a.listener, err = d.Listener(adminName, "tcp", addr.String())
	}
	if err != nil {
		return nil, err
	}
	if err := local(a.listener.Addr()); err != nil {
		return nil, errors.Join(err, a.listener.Close())
	}
	a.listener = netutil.LimitListener(a.listener, adminClients)
	a.server = &http.Server{
		Handler:           d.guarded(d.mux, addr.Network()),
		ReadHeaderTimeout: adminTimeout,
		ReadTimeout:       adminTimeout,
		IdleTimeout:       adminTimeout,
		MaxHeaderBytes:    adminMaxHeader,
		ErrorLog:          slog.NewLogLogger(d.log.Handler(), slog.LevelDebug),
	}
	return a, nil
}

// local refuses what systemd bound to where others reach it.
func local(addr net.Addr) error {
	if tcp, ok := addr.(*net.TCPAddr); ok && !tcp.IP.IsLoopback() {
		return fmt.Errorf("listening on %v for admin: it can be reached from other machines, and tells who talks to whom: bind the socket to loopback", addr)
	}
	return nil
}

// listenUnix makes a socket under another name, and gives it its own once it has
// its mode. What a process left behind that is gone is replaced.
func (a *admin) listenUnix(path, owner string) error {
	if conn, err := net.DialTimeout("unix", path, time.Second); err == nil {
		_ = conn.Close() // nothing was said
		return listenError(adminName, path, syscall.EADDRINUSE)
	}
	if info, err := os.Lstat(path); err == nil && info.Mode()&fs.ModeSocket == 0 {
		return fmt.Errorf("listening on %s for admin: it is there, and no socket: choose another name", path)
	}
	temporary := path + newSocket
	_ = os.Remove(temporary) // one that is left over
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: temporary, Net: "unix"})
	if err != nil {
		return listenError(adminName, path, err)
	}
	l.SetUnlinkOnClose(false) // it gets another name
	err = os.Chmod(temporary, socketMode)
	if err == nil {
		err = chown(temporary, owner)
	}
	if err == nil {
		a.socket, err = os.Lstat(temporary)
	}
	if err == nil {
		err = os.Rename(temporary, path)
	}
	if err != nil {
		_ = os.Remove(temporary) // it is of no use
		return errors.Join(fmt.Errorf("listening on %s for admin: %w", path, err), l.Close())
	}
	a.listener, a.path = l, path
	return nil
}

// chown gives a file to the user that we go on as.
func chown(path, owner string) error {
	if owner == "" || os.Geteuid() != 0 {
		return nil
	}
	uid, gid, _, err := lookup(owner)
	if err != nil {
		return err
	}
	return os.Lchown(path, uid, gid)
}

func (a *admin) serve(log *slog.Logger) {
	at := a.listener.Addr().String()
	if a.path != "" {
		at = unixPrefix + a.path
	}
	log.Info("admin listener", "address", at)
	if err := a.server.Serve(a.listener); err != nil && !errors.Is(err, http.ErrServerClosed) {
		log.Error("the admin listener ended", "error", err)
	}
}

// close ends the listener; requests have a moment to be answered.
func (a *admin) close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	if a.server.Shutdown(ctx) != nil {
		_ = a.server.Close() // whoever did not finish in time is cut
	}
	_ = a.listener.Close() // it is closed, unless it never served
	if a.path == "" {
		return nil
	}
	if info, err := os.Lstat(a.path); err == nil && os.SameFile(info, a.socket) {
		_ = os.Remove(a.path) // where we may not, the next start replaces it
	}
	return nil
}

// guarded lets in what does not come from a web page, and gives each request its
// time.
func (d *Daemon) guarded(h http.Handler, network string) http.Handler {
	h = http.NewCrossOriginProtection().Handler(h)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if network == "tcp" && !localHost(r.Host) {
			http.Error(w, "this host is not known here: use 127.0.0.1, [::1] or localhost", http.StatusMisdirectedRequest)
			return
		}
		timeout := adminTimeout
		if strings.HasPrefix(r.URL.Path, pprofPath) {
			timeout = profileTimeout
		}
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(timeout)) // connections have deadlines
		w.Header().Set("X-Content-Type-Options", "nosniff")
		h.ServeHTTP(w, r)
	})
}

// localHost says that a request's Host means this machine by itself. A name
// that an attacker's DNS leads here is another: a page of theirs would be let
// read the answer.
func localHost(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	if strings.EqualFold(host, "localhost") {
		return true
	}
	a, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && a.Unmap().IsLoopback()
}
