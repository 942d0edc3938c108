package soak_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
)

const (
	soakBots  = 64
	orders    = 25 // of a bot in one round
	portfolio = "main"
	// patience is how long a batch is sent again: several starts of a server.
	patience = 5 * time.Minute
)

// market is what bots trade while others settle. Buys are below and sells above its marks, so
// that the paper engine fills none of them by itself.
type market struct{ name string }

// crowd is what the bots have in common.
type crowd struct {
	url    string
	market atomic.Pointer[market]
	// events counts what was recorded, as far as bots were told.
	events atomic.Int64
	ended  atomic.Bool
	http   *http.Client

	mu   sync.Mutex
	took []time.Duration // of each answered batch, since the last report
}

// command is one of a batch.
type command struct {
	Key     string `json:"idempotency_key"`
	Command string `json:"command"`
	Body    any    `json:"body"`
}

// result is the answer to one of a batch.
type result struct {
	Status   int
	Replayed bool
	Answer   struct {
		Revision uint64
		Permit   string `json:"permit_id"`
		Allowed  bool
		Events   []struct{ Type string }
	}
	Problem json.RawMessage
}

// bot asks, trades, and takes some of it back. It keeps the batch that was answered last.
type bot struct {
	*crowd
	id, key string
	rounds  int
	last    []command
	answers []result
	// checked counts the commands that were sent again after they had been answered.
	checked int
}

// send posts a batch until it is answered, under the same keys.
func (b *bot) send(commands []command) ([]result, error) {
	body, err := json.Marshal(map[string]any{"commands": commands})
	if err != nil {
		return nil, err
	}
	for first := time.Now(); ; {
		began := time.Now()
		results, err := b.once(body)
		if err == nil {
			b.note(time.Since(began))
			return results, nil
		}
		if refused := new(refusedError); errors.As(err, &refused) {
			return nil, err
		}
		if time.Since(first) > patience {
			return nil, fmt.Errorf("a batch was not answered within %s: %w", patience, err)
		}
		time.Sleep(20 * time.Millisecond) // the server was killed, and is coming back
	}
}

// refusedError is an answer that will not change.
type refusedError struct{ status string }

func (r *refusedError) Error() string { return "a batch was refused: " + r.status }

func (b *bot) once(body []byte) ([]result, error) {
	req, err := http.NewRequest(http.MethodPost, b.url+"/v1/portfolios/"+portfolio+"/batch", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+b.key)
	req.Header.Set("Content-Type", "application/json")
	answer, err := b.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	switch {
	case err != nil:
		return nil, err
	case answer.StatusCode == http.StatusServiceUnavailable || answer.StatusCode == http.StatusTooManyRequests:
		return nil, errors.New(answer.Status)
	case answer.StatusCode != http.StatusOK:
		return nil, &refusedError{answer.Status + " " + string(text)}
	}
	var v struct{ Results []result }
	if err := json.Unmarshal(text, &v); err != nil {
		return nil, err
	}
	for i := range v.Results {
		if status := v.Results[i].Status; status == http.StatusServiceUnavailable {
			return nil, errors.New("a command could not be decided") // the server is ending
		} else if status != http.StatusOK {
			return nil, &refusedError{fmt.Sprintf("%d %s", status, v.Results[i].Problem)}
		}
	}
	return v.Results, nil
}

func (b *bot) note(took time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.took = append(b.took, took)
}

// do sends a batch, and keeps it.
func (b *bot) do(commands []command) ([]result, error) {
	results, err := b.send(commands)
	if err != nil {
		return nil, err
	}
	if len(results) != len(commands) {
		return nil, fmt.Errorf("%d answers to %d commands", len(results), len(commands))
	}
	b.last, b.answers = commands, results
	for i := range results {
		b.events.Add(int64(len(results[i].Answer.Events)))
	}
	return results, nil
}

// again sends what was answered once more: it must be known, at the same revisions.
func (b *bot) again() error {
	results, err := b.send(b.last)
	if err != nil {
		return err
	}
	for i := range results {
		was, is := &b.answers[i].Answer, &results[i]
		if len(was.Events) > 0 && (!is.Replayed || is.Answer.Revision != was.Revision) {
			return fmt.Errorf("%s of %s was acknowledged at revision %d, and is now at %d (replayed: %t)", b.last[i].Command, b.id, was.Revision, is.Answer.Revision, is.Replayed)
		}
	}
	b.checked += len(results)
	return nil
}

// trade runs rounds until the soak ends. kills says how often the server was killed.
func (b *bot) trade(kills *atomic.Int64) error {
	seen := kills.Load()
	for !b.ended.Load() {
		if now := kills.Load(); now != seen && len(b.last) > 0 {
			seen = now
			if err := b.again(); err != nil {
				return err
			}
		}
		if err := b.round(); err != nil {
			return fmt.Errorf("%s: %w", b.id, err)
		}
	}
	return nil
}

// round buys, confirms some of it, voids some, and sells what is left.
func (b *bot) round() error {
	m := b.market.Load()
	b.rounds++
	bought, err := b.orders(m, "buy", "0.4", orders)
	if err != nil || len(bought) == 0 {
		return err
	}
	provisional := func(n int) bool { return n%5 < 2 }
	fills := make([]command, len(bought))
	for n, permit := range bought {
		fills[n] = b.fill(m, "buy", "0.4", permit, provisional(n))
	}
	if _, err := b.do(fills); err != nil {
		return err
	}
	ends, held := []command{}, 0
	for n := range bought {
		switch {
		case !provisional(n):
			held++
		case n%5 == 0:
			held++
			ends = append(ends, b.end(m, "confirm_fill", fills[n]))
		default:
			ends = append(ends, b.end(m, "void_fill", fills[n]))
		}
	}
	if _, err := b.do(ends); err != nil {
		return err
	}
	sold, err := b.orders(m, "sell", "0.6", held)
	if err != nil || len(sold) == 0 {
		return err
	}
	fills = fills[:0:0]
	for _, permit := range sold {
		fills = append(fills, b.fill(m, "sell", "0.6", permit, false))
	}
	_, err = b.do(fills)
	return err
}

// orders asks for permits of one share each, and returns those that were granted.
func (b *bot) orders(m *market, side, limit string, n int) ([]string, error) {
	ask := make([]command, n)
	for i := range ask {
		ask[i] = command{uuid.NewString(), "ask_permit", map[string]string{
			"bot": b.id, "market": m.name, "outcome": "YES", "side": side, "quantity": "1", "limit_price": limit,
		}}
	}
	results, err := b.do(ask)
	if err != nil {
		return nil, err
	}
	var granted []string
	for _, r := range results {
		if r.Answer.Allowed {
			granted = append(granted, r.Answer.Permit)
		}
	}
	return slices.Clip(granted), nil
}

func (b *bot) fill(m *market, side, price, permit string, provisional bool) command {
	body := map[string]string{
		"bot": b.id, "market": m.name, "outcome": "YES", "side": side, "quantity": "1", "price": price, "trade_id": uuid.NewString(), "permit_id": permit,
	}
	if provisional {
		body["status"] = "provisional"
	}
	return command{uuid.NewString(), "record_fill", body}
}

// end makes a provisional fill final.
func (b *bot) end(m *market, how string, fill command) command {
	of := fill.Body.(map[string]string)
	return command{uuid.NewString(), how, map[string]string{"bot": b.id, "trade_id": of["trade_id"], "market": m.name}}
}
