package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

// stopWithin is how long one stop may take before it counts as failed.
const stopWithin = 10 * time.Second

// stopWay is a way on which a stop reaches the server. Every stop opens a new connection, as a
// person's command does.
type stopWay struct {
	name, title string
	door
}

// stopWays returns the ways that a server has.
func stopWays(s *childServer, key string) []stopWay {
	ways := []stopWay{{"tcp", "TCP and a key", door{&http.Client{Timeout: stopWithin, Transport: &http.Transport{DisableKeepAlives: true}}, s.url, key}}}
	path := s.socket()
	if path == "" {
		return ways
	}
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", path)
	}
	return append(ways, stopWay{
		"socket", "the stop socket", door{&http.Client{Timeout: stopWithin, Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}, "http://stop.sock", ""},
	})
}

// stop stops a portfolio or a bot in it. later reports that the server has accepted the stop and
// records it later.
func (w *stopWay) stop(ctx context.Context, kind, portfolio, bot string) (later bool, err error) {
	path, body := "/emergency-stop", `{"kind":"manual","reason":"pets bench"}`
	if kind == stopKinds[1] {
		path, body = "/bots/"+bot+"/stop", `{"reason":"pets bench"}`
	}
	status, answer, err := w.post(ctx, "/v1/portfolios/"+portfolio+path, body)
	switch {
	case err != nil:
		return false, err
	case status == http.StatusOK, status == http.StatusAccepted:
		return status == http.StatusAccepted, nil
	}
	return false, errors.New(problemLine(status, answer))
}

// startAll starts the bots that exist only to be stopped, with batches for each portfolio.
func (w *stopWay) startAll(ctx context.Context, n int) error {
	batches := make([][]string, loadPortfolios)
	for i := range n {
		_, bot := stoppable(i)
		batches[i%loadPortfolios] = append(batches[i%loadPortfolios], batchItem("start_bot", `{"bot":"`+bot+`"}`))
	}
	for i, commands := range batches {
		for len(commands) > 0 {
			some := commands[:min(len(commands), 1000)]
			commands = commands[len(some):]
			if err := w.batch(ctx, loadPortfolio(i), some); err != nil {
				return err
			}
		}
	}
	return nil
}

// batch sends commands. A refusal is fine, because a bot may already be running.
func (w *stopWay) batch(ctx context.Context, portfolio string, commands []string) error {
	status, answer, err := w.post(ctx, "/v1/portfolios/"+portfolio+"/batch", batchBody(commands))
	if err != nil {
		return err
	}
	var v struct {
		Results []struct {
			Status  int
			Problem struct{ Detail string }
		}
	}
	if status != http.StatusOK {
		return errors.New(problemLine(status, answer))
	}
	if err := json.Unmarshal(answer, &v); err != nil {
		return err
	}
	for _, r := range v.Results {
		if r.Status >= http.StatusInternalServerError || r.Status == http.StatusTooManyRequests {
			return fmt.Errorf("a bot is not started: %d %s", r.Status, r.Problem.Detail)
		}
	}
	return nil
}
