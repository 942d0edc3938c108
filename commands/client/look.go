package client

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
)

// Raw is an undecoded answer.
type Raw struct {
	Status int
	Header http.Header
	Body   []byte
}

// Look sends one GET request without retries. It is for paths that are not views, such as
// /readyz, and for headers. It returns the answer whatever its status. Unless the status
// is 200, it also returns a [Problem], except for the 503 of a server that says in plain
// text why it is not ready.
func (c *Client) Look(ctx context.Context, path string) (Raw, error) {
	if c.within > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, c.within, fmt.Errorf("%w within %s", ErrNoAnswer, c.within))
		defer cancel()
	}
	defer c.tell(ctx).end()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+path, http.NoBody)
	if err != nil {
		return Raw{}, quiet(err)
	}
	c.authorise(req)
	resp, err := c.do(req)
	if err != nil {
		if why := context.Cause(ctx); why != nil {
			err = why
		}
		return Raw{}, fmt.Errorf("GET %s: %w", path, schemed(quiet(err)))
	}
	defer func() { _ = resp.Body.Close() }() // it was read to its end, or is not needed
	raw := Raw{Status: resp.StatusCode, Header: resp.Header}
	if raw.Body, err = io.ReadAll(io.LimitReader(resp.Body, maxAnswer)); err != nil {
		return raw, fmt.Errorf("GET %s: %w", path, quiet(err))
	}
	ready := raw.Status == http.StatusOK || raw.Status == http.StatusServiceUnavailable && bytes.HasPrefix(raw.Body, []byte("not ready: "))
	if !ready {
		return raw, problemOf(raw.Status, raw.Body)
	}
	return raw, nil
}
