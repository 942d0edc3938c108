package client

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"syscall"
	"time"

	"pets/domain"
)

// tellAfter is how long a command waits for its answer, or a connection is lost, before
// that is reported.
const tellAfter = time.Second

// ErrWrongScheme means that the URL has http:// for a server that speaks https, or the
// reverse.
var ErrWrongScheme = errors.New("wrong scheme")

// ErrNoAnswer means that the time was over while a request was under way. It is unknown
// whether the request was executed.
var ErrNoAnswer = errors.New("no answer")

// retry tries until there is a final answer. A retry is safe even if the request was
// executed, because it has the same key.
func (c *Client) retry(ctx context.Context, try func(context.Context) error) error {
	request := ctx // the context of single requests, which only Within ends early
	if c.within > 0 {
		var cut context.CancelFunc
		request, cut = context.WithTimeoutCause(ctx, c.within, fmt.Errorf("%w within %s", ErrNoAnswer, c.within))
		defer cut()
	}
	ctx, cancel := context.WithTimeout(request, c.patience)
	defer cancel()
	w := c.tell(ctx)
	defer w.end()
	start := time.Now()
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		err := try(request)
		if err == nil || final(err) {
			return err
		}
		if request.Err() != nil {
			return cutOff(context.Cause(request), w.reason())
		}
		later := told(err)
		switch {
		case c.once && later > longestPause:
			return fmt.Errorf("refused; sent again within the next %s it is refused again: %w", later, err)
		case c.once:
			return fmt.Errorf("sent once, and not again by itself, for somebody may have stopped what it starts meanwhile; look, and send it again: %w", err)
		}
		w.failed(err)
		wait := max(pause/2+rand.N(pause/2), later) //nolint:gosec // spreading retries needs no secrecy
		if end, _ := ctx.Deadline(); time.Now().Add(wait).After(end) && wait > longestPause {
			return fmt.Errorf("refused; the server says to come back after more than the %s that this waits: %w", c.patience, err) // there will be no other answer before the end
		}
		if errors.Is(err, syscall.ECONNREFUSED) && c.refused > 0 && time.Since(start)+wait > c.refused {
			return tried(start, err)
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return tried(start, err)
		}
	}
}

// tried says for how long there was no other answer than this one, or none.
func tried(start time.Time, err error) error {
	what := "no answer after"
	if p := (*Problem)(nil); errors.As(err, &p) && p.Title != notOurs {
		what = "refused for"
	}
	return fmt.Errorf("%s %s: %w", what, time.Since(start).Round(100*time.Millisecond), err)
}

// cutOff returns why a request under way was ended, with the failure before it.
func cutOff(why, before error) error {
	if before == nil {
		return why
	}
	return fmt.Errorf("%w; before that: %w", why, before)
}

// teller calls Options.Waiting once if a command waits for its answer.
type teller struct {
	mu    sync.Mutex
	last  error
	ended bool
	timer *time.Timer
}

func (c *Client) tell(ctx context.Context) *teller {
	w := &teller{}
	if c.waiting == nil {
		return w
	}
	w.timer = time.AfterFunc(tellAfter, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.ended {
			return
		}
		end, _ := ctx.Deadline()
		left := time.Until(end)
		if w.last == nil && c.within == 0 { // a request under way may take longer
			left = longestAnswer - tellAfter
		}
		c.waiting(w.last, left)
	})
	return w
}

// failed notes the failure of an attempt.
func (w *teller) failed(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.last = err
}

// reason returns the failure of the last attempt, or nil.
func (w *teller) reason() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.last
}

func (w *teller) end() {
	if w.timer != nil {
		w.timer.Stop()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ended = true
}

// told returns how long the server said to wait, or zero for a second or less.
func told(err error) time.Duration {
	var p *Problem
	if !errors.As(err, &p) || p.RetryAfter <= time.Second {
		return 0
	}
	return p.RetryAfter
}

// final reports whether retrying is useless, because the server has decided, or the cause
// does not go away by itself. Other failures may be over in a moment: no connection, no
// answer, too many requests, not ready.
func final(err error) bool {
	var p *Problem
	if !errors.As(err, &p) {
		return hopeless(err)
	}
	switch p.Code() {
	case domain.CodeUnavailable, domain.CodeRateLimited, domain.CodeClock:
		return false
	default:
		return true
	}
}

// hopeless reports whether the address, the certificate or the scheme is wrong, the answer
// cannot be read, or the server is not trusted.
func hopeless(err error) bool {
	var name *net.DNSError
	var certificate *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	switch {
	case errors.Is(err, errUnreadable), errors.Is(err, ErrStranger), errors.Is(err, ErrClear), errors.Is(err, http.ErrSchemeMismatch), errors.Is(err, ErrWrongScheme):
		return true
	case errors.As(err, &certificate), errors.As(err, &record):
		return true
	case errors.As(err, &name):
		return name.IsNotFound
	}
	return errors.Is(err, fs.ErrPermission) || domain.CodeOf(err) == domain.CodeDenied
}

// schemed adds the right scheme to an error about a wrong one.
func schemed(err error) error {
	if errors.Is(err, http.ErrSchemeMismatch) {
		return fmt.Errorf("%w: the server does not speak TLS; its address begins with http://", ErrWrongScheme)
	}
	return err
}
