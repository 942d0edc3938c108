package bench

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/url"
	"runtime"
	"sync/atomic"
	"time"
)

// loadKind is a kind of client. Each kind has its own source addresses, like clients on different
// machines.
type loadKind byte

const (
	strange loadKind = iota + 1
	halting
	asking
	batching
	reading
)

// sourceAddress returns the source address of a connection, from the kind of client and the number
// of its simulated machine. Linux has all of 127.0.0.0/8; elsewhere every connection has the
// same address.
func sourceAddress(kind loadKind, host int) net.Addr {
	if runtime.GOOS != "linux" {
		return nil
	}
	host++
	return &net.TCPAddr{IP: net.IPv4(127, byte(kind), byte(host>>8), byte(host))} //nolint:gosec // a few thousand
}

// stay opens a connection, writes text, waits until the server starts to answer, writes then, and
// keeps the connection until the server closes it. Then it starts over. held counts the open
// connections.
func (l *load) stay(ctx context.Context, kind loadKind, n int, text, then string, held *atomic.Int64) {
	for ctx.Err() == nil {
		if err := l.once(ctx, kind, n, text, then, held); err != nil && ctx.Err() == nil {
			l.note(err)
		}
		pause(ctx, time.Second+rand.N(4*time.Second)) //nolint:gosec // no secret
	}
}

func (l *load) once(ctx context.Context, kind loadKind, n int, text, then string, held *atomic.Int64) error {
	at, err := url.Parse(l.plan.URL)
	if err != nil {
		return err
	}
	d := net.Dialer{LocalAddr: sourceAddress(kind, n/max(l.plan.PerSource, 1)), Timeout: 10 * time.Second}
	c, err := d.DialContext(ctx, "tcp", at.Host)
	if err != nil {
		return errors.New("a silent connection is not taken")
	}
	defer context.AfterFunc(ctx, func() { _ = c.Close() })()
	first := make([]byte, len("HTTP/1.1 200"))
	_, err = io.WriteString(c, text)
	if err == nil {
		_, err = io.ReadFull(c, first)
	}
	if err != nil {
		return errors.Join(errors.New("a silent connection was closed at once"), c.Close())
	}
	if status := string(first[len(first)-3:]); status != "200" && status != "100" {
		return errors.Join(errors.New("a silent connection was answered "+status), c.Close())
	}
	held.Add(1)
	defer held.Add(-1)
	_, _ = io.WriteString(c, then) // the server may already have closed the connection
	_, _ = io.Copy(io.Discard, c)
	return c.Close()
}
