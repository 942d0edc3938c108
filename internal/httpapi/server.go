package httpapi

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"time"

	"golang.org/x/sys/unix"
)

// deadlines bound what a connection may take its time over. The defaults of
// net/http are none at all: slow clients would hold connections open for ever.
type deadlines struct {
	header   time.Duration
	request  time.Duration // header and body
	response time.Duration // longer than any answer may take
	idle     time.Duration
}

// ofServer are the deadlines of every listener but the stop socket's.
var ofServer = deadlines{header: 4 * time.Second, request: 4 * time.Second, response: 40 * time.Second, idle: 60 * time.Second}

const (
	maxHeader = 16 << 10
	// drainWithin is how long a graceful stop waits for requests under way.
	drainWithin = 10 * time.Second
)

// NewServer returns an http.Server with every limit set.
func NewServer(h http.Handler, log *slog.Logger, secure *tls.Config) *http.Server {
	return newServer(h, log, secure, ofServer)
}

func newServer(h http.Handler, log *slog.Logger, secure *tls.Config, d deadlines) *http.Server {
	// HTTP/1.1 alone: the requests of a connection come one after another, so that
	// bounds of connections are bounds of requests, too.
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	return &http.Server{
		Handler: h, TLSConfig: secure, Protocols: protocols,
		ReadHeaderTimeout: d.header, ReadTimeout: d.request, WriteTimeout: d.response, IdleTimeout: d.idle,
		MaxHeaderBytes: maxHeader,
		// OPTIONS * is answered as every other request is, and counted.
		DisableGeneralOptionsHandler: true,
		ErrorLog:                     slog.NewLogLogger(quiet{log.Handler()}, slog.LevelDebug),
	}
}

// quiet keeps net/http's remarks on clients that hang up out of the log unless
// somebody asked for them.
type quiet struct{ slog.Handler }

// Serve answers on a listener until the context ends, then lets requests under
// way finish. drain is called first: it ends what would never finish by itself.
func Serve(ctx context.Context, s *http.Server, l net.Listener, drain func()) error {
	b := ofListener
	b.all = min(b.all, capacity())
	return serve(ctx, s, newConns(buffered{l}, b), drain)
}

func serve(ctx context.Context, s *http.Server, c *conns, drain func()) error {
	var l net.Listener = c
	if s.TLSConfig != nil {
		l = tls.NewListener(l, s.TLSConfig)
	}
	if s.ConnContext == nil {
		s.ConnContext = withConn
	}
	sweeping, swept := context.WithCancel(ctx)
	defer swept()
	go c.sweeping(sweeping)
	failed := make(chan error, 1)
	go func() { failed <- s.Serve(l) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	drain()
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainWithin)
	defer cancel()
	return s.Shutdown(stop)
}

// capacity is how many connections a listener may hold: half of the files that the
// process may open, for the store needs some, too.
func capacity() int {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return ofListener.all
	}
	return int(min(limit.Cur/2, 1<<20))
}
