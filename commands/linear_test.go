package commands

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/eventstore/memory"
	"pets/internal/testenv"
)

// Operations of a portfolio's clients, and the plainest model of them: one bot with cash,
// a losing streak, a breaker.
type (
	opKind int
	input  struct {
		kind   opKind
		permit string // of a request, and of its fill
	}
	output struct {
		code   domain.Code // "" if it was accepted
		denied bool
	}
	model struct {
		free    int // in units of 100: the cash less the reservations of permits, of 10 each
		streak  int
		tripped bool
		running bool
		live    string // the permits that are granted and not filled, each between bars
	}
)

const (
	opAsk opKind = iota
	opFill
	opLose
	opReset
	opStart
)

// linearModel determines the possible answers to each operation in each state.
var linearModel = porcupine.Model{
	Init: func() any { return model{free: 100, running: true} },
	Step: func(state, in, out any) (bool, any) {
		s, i, o := state.(model), in.(input), out.(output)
		switch i.kind {
		case opAsk:
			allowed := s.running && !s.tripped && s.free >= 10
			if allowed {
				s.free -= 10
				s.live += "|" + i.permit + "|"
			}
			return o.code == "" && o.denied == !allowed, s
		case opFill:
			// A fill is a fact: with a permit it costs the reserved amount, and without one (a trip
			// revoked it) the same.
			if name := "|" + i.permit + "|"; strings.Contains(s.live, name) {
				s.live = strings.Replace(s.live, name, "", 1)
			} else {
				s.free -= 10
			}
			return o.code == "", s
		case opLose:
			s.free--
			if s.streak++; s.streak >= 3 && !s.tripped {
				s.tripped, s.running = true, false
				s.free += 10 * strings.Count(s.live, "|") / 2 // revoked in the same append
				s.live = ""
			}
			return o.code == "", s
		case opReset:
			if !s.tripped {
				return o.code == domain.CodeConflict, s
			}
			s.tripped, s.streak = false, 0
			return o.code == "", s
		default:
			if s.tripped {
				return o.code == domain.CodeHalted, s
			}
			s.running = true
			return o.code == "", s
		}
	},
	DescribeOperation: func(in, out any) string { return fmt.Sprintf("%+v → %+v", in, out) },
}

// history runs clients against two servers on one memory store whose appends fail now and
// then, in every possible way, and returns the clients' operations and answers.
func history(t *testing.T, seed uint64) []porcupine.Operation {
	t.Helper()
	r := &rig{t: t, store: &faulty{Store: memory.New(), t: t, blocked: make(chan struct{}, 1)}, clock: newClock()}
	writers := []*Writer{r.writer(), r.writer()}
	r.w = writers[0]
	p := domain.DefaultPolicy(domain.ModePaper)
	p.MaxDailyLossPct, p.MaxBotDrawdownPct, p.MaxPortfolioDrawdownPct = dec("0.99"), dec("0.99"), dec("0.99")
	r.must(olga, OpenPortfolio{ID: "main", Mode: domain.ModePaper, BaseAsset: "USDC", BaseDecimals: 6, Policy: p})
	r.must(olga, deposit("10000"))
	r.must(olga, RegisterBot{ID: "a", Capital: dec("100"), Start: true})
	rng := rand.New(rand.NewPCG(seed, 1))
	for range 12 {
		switch rng.IntN(4) {
		case 0:
			r.store.plan(fault{err: errUnknown, write: true})
		case 1:
			r.store.plan(fault{err: errUnknown})
		case 2:
			r.store.plan(fault{err: errDown})
		default:
			r.store.plan(fault{})
		}
	}
	var mu sync.Mutex
	var ops []porcupine.Operation
	began := time.Now()
	var clients sync.WaitGroup
	for client := range 4 {
		seed := rng.Uint64()
		clients.Go(func() {
			c := linearClient{rig: r, writers: writers, rng: rand.New(rand.NewPCG(seed, 2)), id: client}
			for n := range 5 {
				call := time.Since(began).Nanoseconds()
				in, out := c.step(n)
				op := porcupine.Operation{ClientId: client, Input: in, Output: out, Call: call, Return: time.Since(began).Nanoseconds()}
				mu.Lock()
				ops = append(ops, op)
				mu.Unlock()
			}
		})
	}
	clients.Wait()
	for _, w := range writers {
		w.Close()
	}
	return ops
}

// linearClient sends commands to either server, and repeats each under its key
// until it has an answer.
type linearClient struct {
	rig     *rig
	writers []*Writer
	rng     *rand.Rand
	id      int
	asked   string // the permit that was granted last and is not filled, by its key
	granted string // the same permit by its name
}

func (c *linearClient) step(n int) (input, output) {
	key := fmt.Sprintf("client %d step %d", c.id, n)
	if c.asked != "" && c.rng.IntN(2) == 0 {
		f := fill("a", key, "buy", "20", "0.5")
		f.PermitID = c.granted
		in := input{kind: opFill, permit: c.asked}
		c.asked = ""
		return c.do(in, key, f)
	}
	switch c.rng.IntN(8) {
	case 0, 1, 2:
		return c.do(input{kind: opLose}, key, RecordTrade{Bot: "a", Market: "x", PnL: dec("-1"), TradeID: key})
	case 3:
		return c.do(input{kind: opReset}, key, ResetBreaker{Breaker: domain.ConsecutiveLosses, Bot: "a", Reason: "test"})
	case 4:
		return c.do(input{kind: opStart}, key, StartBot{Bot: "a"})
	default:
		in, out := c.do(input{kind: opAsk, permit: key}, key, permit("a", "20"))
		if out.code == "" && !out.denied {
			c.asked = key
		}
		return in, out
	}
}

func (c *linearClient) do(in input, key string, command Command) (input, output) {
	caller := olga
	for attempt := 0; ; attempt++ {
		w := c.writers[c.rng.IntN(len(c.writers))]
		answer, err := w.Do(context.Background(), Request{Caller: caller, Key: key, Command: command})
		var e *domain.Error
		switch {
		case err == nil && answer.Permit != nil:
			c.granted = answer.Permit.PermitID
			return in, output{denied: !answer.Permit.Allowed}
		case err == nil:
			return in, output{}
		case errors.As(err, &e) && e.Code == domain.CodeUnavailable && attempt < 200:
			continue // nothing was acknowledged: retry with the same key
		case errors.As(err, &e):
			return in, output{code: e.Code}
		default:
			return in, output{code: domain.CodeInternal}
		}
	}
}

// "Linearisability of permits, fills and resets (porcupine, 1,000 histories with
// faults)."
func TestLinearisable(t *testing.T) {
	histories := testenv.Rounds(50, 150, 1_000)
	for seed := range histories {
		ops := history(t, uint64(seed))
		require.Equal(t, porcupine.Ok, porcupine.CheckOperationsTimeout(linearModel, ops, 20*time.Second), "history %d: %+v", seed, ops)
	}
}
