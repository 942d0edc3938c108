package cli

import (
	"context"
	"errors"
	"time"

	"pets/commands/client"
)

// proofLasts is how long a client is kept: the server that was found by its folder's lock
// proves once for all that a run asks at once who it is, and again for what is asked later,
// when somebody else may listen there.
const proofLasts = time.Second

// asked is the client of this run, and whom it was made to ask, and how.
type asked struct {
	client *client.Client
	by     askedBy
	since  time.Time
}

// askedBy is what tells the clients of one run apart.
type askedBy struct {
	url, key, ca, proof       string
	patience, within, refused time.Duration
	once                      bool
}

// Client is the client of this run for these options. It is kept for the next request, and
// the caller does not close it.
func (a *App) Client(o client.Options) (*client.Client, error) {
	by := askedBy{o.URL, o.Key, o.CAFile, o.Proof, o.Patience, o.Within, o.Refused, o.Once}
	if a.asked.client != nil && a.asked.by == by && o.Dial == nil && time.Since(a.asked.since) < proofLasts {
		return a.asked.client, nil
	}
	a.forgetClient()
	c, err := client.New(o)
	if err == nil {
		a.asked = asked{c, by, time.Now()}
	}
	return c, err
}

// answered drops the client after a request that was not answered: whoever answers next
// has to prove anew who it is.
func (a *App) answered(err error) error {
	var problem *client.Problem
	if err != nil && !errors.As(err, &problem) {
		a.forgetClient()
	}
	return err
}

func (a *App) forgetClient() {
	if a.asked.client != nil {
		_ = a.asked.client.Close() // nothing is kept
	}
	a.asked = asked{}
}

// Peek asks the server of this run once for what is no view, and does not ask again.
func (a *App) Peek(ctx context.Context, r *Remote, path string) (client.Raw, error) {
	c, err := a.Client(a.Asking(r))
	if err != nil {
		return client.Raw{}, err
	}
	raw, err := c.Look(ctx, path)
	return raw, a.answered(err)
}

// Unanswered is the folder of a server on this machine that was asked and did not answer, ""
// for any other failure.
func (a *App) Unanswered(err error) string {
	t, wrong := a.Target()
	switch {
	case wrong != nil || !lost(err):
		return ""
	case t.URL == "":
		return t.Dir
	}
	if k := a.keeperAt(t.URL); k != nil {
		return k.Store
	}
	return ""
}
