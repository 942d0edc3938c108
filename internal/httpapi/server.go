package httpapi

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"time"

	"golang.org/x/net/netutil"
)

// Limits of a connection. The defaults of net/http are none at all: slow clients
// would hold connections open for ever.
const (
	headerWithin   = 4 * time.Second
	requestWithin  = 4 * time.Second
	responseWithin = 40 * time.Second // longer than any answer may take
	idleWithin     = 60 * time.Second
	maxHeader      = 16 << 10
	maxConnections = 2_048
	// drainWithin is how long a graceful stop waits for requests under way.
	drainWithin = 10 * time.Second
)

// NewServer returns an http.Server with every limit set.
func NewServer(h http.Handler, log *slog.Logger, secure *tls.Config) *http.Server {
	return &http.Server{
		Handler: h, TLSConfig: secure,
		ReadHeaderTimeout: headerWithin, ReadTimeout: requestWithin, WriteTimeout: responseWithin, IdleTimeout: idleWithin,
		MaxHeaderBytes: maxHeader,
		ErrorLog:       slog.NewLogLogger(quiet{log.Handler()}, slog.LevelDebug),
	}
}

// quiet keeps net/http's remarks on clients that hang up out of the log unless
// somebody asked for them.
type quiet struct{ slog.Handler }

// Serve answers on a listener until the context ends, then lets requests under
// way finish. drain is called first: it ends what would never finish by itself.
func Serve(ctx context.Context, s *http.Server, l net.Listener, drain func()) error {
	l = netutil.LimitListener(buffered{l}, maxConnections)
	if s.TLSConfig != nil {
		l = tls.NewListener(l, s.TLSConfig)
	}
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
