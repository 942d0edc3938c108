package httpapi

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"time"
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
