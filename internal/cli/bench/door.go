package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/google/uuid"
)

// door is a way to a server, and the key that is shown there.
type door struct {
	client *http.Client
	base   string
	key    string // "" if the way needs none
}

// ask sends one request and reads its answer, whatever it says.
func (d *door) ask(ctx context.Context, method, path, body string) (status int, answer []byte, err error) {
	req, err := http.NewRequestWithContext(ctx, method, d.base+path, strings.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	if d.key != "" {
		req.Header.Set("Authorization", "Bearer "+d.key)
	}
	if method == http.MethodPost {
		req.Header.Set("Idempotency-Key", uuid.NewString())
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := d.client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = resp.Body.Close() }() // read to the end
	answer, err = io.ReadAll(resp.Body)
	return resp.StatusCode, answer, err
}

// post sends one command.
func (d *door) post(ctx context.Context, path, body string) (status int, answer []byte, err error) {
	return d.ask(ctx, http.MethodPost, path, body)
}

// must is ask for a request that has to succeed.
func (d *door) must(ctx context.Context, method, path, body string) ([]byte, error) {
	status, answer, err := d.ask(ctx, method, path, body)
	if err == nil && status != http.StatusOK {
		err = errors.New(problemLine(status, answer))
	}
	return answer, err
}

// granted is must for a request for a permit, which has to be granted.
func (d *door) granted(ctx context.Context, path, body string) (permit string, err error) {
	answer, err := d.must(ctx, http.MethodPost, path, body)
	if err != nil {
		return "", err
	}
	var v struct {
		Allowed  bool
		PermitID string `json:"permit_id"`
	}
	if err := json.Unmarshal(answer, &v); err != nil {
		return "", err
	}
	if !v.Allowed {
		return "", fmt.Errorf("a permit was denied: %s", bytes.TrimSpace(answer))
	}
	return v.PermitID, nil
}

// problemLine formats a failed answer in one line.
func problemLine(status int, answer []byte) string {
	var p struct{ Title, Detail string }
	if json.Unmarshal(answer, &p) == nil && p.Title != "" {
		return fmt.Sprintf("%d %s: %s", status, p.Title, p.Detail)
	}
	return fmt.Sprintf("%d %s", status, bytes.TrimSpace(answer[:min(len(answer), 200)]))
}

// keeping returns a client that keeps so many connections.
func keeping(connections int) *http.Client {
	return &http.Client{Transport: &http.Transport{MaxIdleConns: connections, MaxIdleConnsPerHost: connections}}
}
