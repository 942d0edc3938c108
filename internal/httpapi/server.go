package httpapi

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// deadlines limit the time of each phase of a connection. net/http has none by
// default: slow clients would hold connections open forever.
type deadlines struct {
	header   time.Duration
	request  time.Duration // header and body
	response time.Duration // longer than any answer may take
	idle     time.Duration
}

// ofServer are the deadlines of every listener except the stop socket's.
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
	// HTTP/1.1 only: the requests of a connection come one after another, so that
	// limits of connections are limits of requests, too.
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	return &http.Server{
		Handler: h, TLSConfig: secure, Protocols: protocols,
		ReadHeaderTimeout: d.header, ReadTimeout: d.request, WriteTimeout: d.response, IdleTimeout: d.idle,
		MaxHeaderBytes: maxHeader,
		// OPTIONS * is answered and counted like every other request.
		DisableGeneralOptionsHandler: true,
		ErrorLog:                     slog.NewLogLogger(quiet{log.Handler()}, slog.LevelDebug),
	}
}

// quiet keeps net/http's messages about disconnected clients out of the log,
// unless debug logging is on.
type quiet struct{ slog.Handler }

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
