package cli

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"time"

	"pets/commands/client"
	"pets/domain"
	"pets/internal/httpapi"
	"pets/internal/open"
	"pets/replay"
)

// refusedFor is how long a refused connection to a server on this machine is retried: long
// enough for a server that is restarting.
const refusedFor = time.Second

// Asking returns the options of a client that asks a server on behalf of a person, and so
// says what it is waiting for.
func (a *App) Asking(r *Remote) client.Options {
	o := client.Options{URL: r.URL, Key: a.Config.Key.Reveal(), CAFile: r.ca, Proof: r.proof, Patience: a.Patience, Within: a.Within, Silence: a.Silence, Once: a.Once, OwnKeys: true}
	if u, err := url.Parse(r.URL); r.Way != nil || err == nil && onLoopback(u) {
		o.Refused = refusedFor
	}
	o.Replayed = func() { a.replayed = a.KeyGiven } // under a key of this run it is this run's own, sent twice
	o.Waiting = func(why error, left time.Duration) {
		reason := "no answer yet"
		if why != nil {
			reason = why.Error()
		}
		under := ""
		if a.sent && a.Again != "" && !a.Stopping && (!a.Once || a.Starts) { // said now: this process may end without a word
			under = "; it was sent under --key " + a.Again
		}
		if a.waits == r.String()+under {
			return
		}
		a.waits = r.String() + under
		a.Tell("waiting for %s: %s; giving up in %d s; Ctrl-C stops waiting%s", r, reason, int(left.Seconds()+0.5), under)
	}
	return o
}

// Bounded limits how long a stop waits for one server, until the function it returns is
// called. The limit is shorter if there is another way to stop.
func (a *App) Bounded(another bool) func() {
	patience, within := a.Patience, a.Within
	a.Within = socketPatience
	if another {
		a.Within = socketAfter
	}
	if a.Patience == 0 {
		a.Patience = a.Within
	}
	return func() { a.Patience, a.Within = patience, within }
}

// Explained adds to an error where the request failed and what a person can do about it.
func (a *App) Explained(ctx context.Context, r *Remote, o client.Options, err error) error {
	var problem *client.Problem
	var certificate *tls.CertificateVerificationError
	var name *net.DNSError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &problem) && problem.Code() == client.CodeForeign:
		return fmt.Errorf("%s: %w (status %d): something else answers there, such as another program or the metrics of pets serve; its API is at PETS_LISTEN of its machine", r, err, problem.Status)
	case errors.As(err, &problem):
		return a.portfolioNamed(ctx, r, o, problem, err)
	case errors.As(err, &certificate):
		return fmt.Errorf("%s: %w; if the server made its own certificate, set PETS_CA to a copy of its tls/cert.pem (PETS_DIR of its machine)", r, err)
	case errors.Is(err, client.ErrWrongScheme):
		return fmt.Errorf("%s: %w", r, err)
	case errors.As(err, &name) && name.IsNotFound:
		return fmt.Errorf("%s: there is no such host: %w", r, err)
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("%s: no server listens there: %w", r, err)
	}
	return err
}

// portfolioNamed rewrites the server's answer about an unknown portfolio, so that it reads
// the same as for a folder. It leaves every other problem as it is.
func (a *App) portfolioNamed(ctx context.Context, r *Remote, o client.Options, p *client.Problem, err error) error {
	said := *p
	switch {
	case p.Code() == domain.CodeDenied && p.Detail == httpapi.OtherPortfolio:
		ids := a.portfoliosOf(ctx, r, o)
		if len(ids) != 1 { // such a key is shown its own only
			return err
		}
		a.keyPortfolio = ids[0]
		said.Detail = fmt.Sprintf("the key is for portfolio %s, and this is %s", ids[0], a.meant())
	case p.Code() != domain.CodeNotFound:
		return err
	case p.Detail == "the portfolio did not exist yet at that time":
		said.Detail = notYet(a.Config.Portfolio).Message
	case p.Detail == noSuchPortfolio:
		ids := a.portfoliosOf(ctx, r, o)
		if len(ids) == 0 || slices.Contains(ids, a.Config.Portfolio) { // it may have come since
			return err
		}
		said.Detail = notThere(a.Config.Portfolio, ids).Message
	default:
		return err
	}
	return &said
}

// noSuchPortfolio is how the engine says that a portfolio does not exist.
const noSuchPortfolio = "there is no such portfolio"

// portfoliosOf lists the portfolios of a server that the key is shown, or, where its stop socket
// is asked, those of its folder. It lists none where they cannot be read in about a second.
func (a *App) portfoliosOf(ctx context.Context, r *Remote, o client.Options) []string {
	if r.Way != nil {
		return portfoliosIn(ctx, r.Way.store)
	}
	var there struct {
		Portfolios []struct {
			Portfolio string `json:"portfolio"`
		} `json:"portfolios"`
	}
	o.Patience, o.Within = refusedFor, refusedFor
	if a.send(ctx, o, http.MethodGet, "/v1/portfolios", nil, &there) != nil {
		return nil
	}
	ids := make([]string, len(there.Portfolios))
	for i, one := range there.Portfolios {
		ids[i] = one.Portfolio
	}
	return ids
}

// portfoliosIn lists the portfolios of a folder.
func portfoliosIn(ctx context.Context, dir string) []string {
	if !open.HasStore(dir) || open.Barred(dir) != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, refusedFor)
	defer cancel()
	store, err := open.ReadFolder(dir)
	if err != nil {
		return nil
	}
	defer func() { _ = store.Close() }() // it was only read
	ids, err := replay.Portfolios(ctx, store)
	if err != nil {
		return nil
	}
	return ids
}

func notYet(portfolio string) *domain.Error {
	return domain.Errorf(domain.CodeNotFound, "portfolio %s did not exist yet at that time", portfolio)
}

func notThere(portfolio string, ids []string) *domain.Error {
	return domain.Errorf(domain.CodeNotFound, "there is no portfolio %s in this store; it has %s (--portfolio NAME)", portfolio, strings.Join(ids, ", "))
}

// lost reports whether a request was probably sent and got no answer.
func lost(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout() ||
		errors.Is(err, client.ErrNoAnswer) || errors.Is(err, context.Canceled) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET)
}

// socketAfter is how long a named server is tried if its stop socket can be tried next.
const socketAfter = 3 * time.Second

// socketPatience is how long a stop socket with a busy server is tried before the next way,
// and a server that has no other way. All tries together stay below 15 s.
const socketPatience = 10 * time.Second
