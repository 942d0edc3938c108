package several_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"pets/commands"
	"pets/commands/client"
	"pets/domain"
	"pets/internal/testenv"
)

// Each permit of a storm reserves 50 of the 1,000 that all bots may have in the market.
const (
	stormBots  = 64
	stormLimit = "1000"
	stormFits  = 20
)

// answer is what an answer to a permit, or to its release, says.
type answer struct {
	Allowed  bool                `json:"allowed"`
	PermitID string              `json:"permit_id"`
	Revision uint64              `json:"revision"`
	Events   []commands.EventRef `json:"events"`
}

// operation is one command of a bot, which was sent until it was answered.
type operation struct {
	bot              int
	key, path        string
	body             map[string]any
	releases         string // the permit, if it is no question for one
	called, returned time.Duration
	answer           answer
	attempts         int
}

// storm is bots that ask servers which fail.
type storm struct {
	*servers
	began    time.Time
	stopping chan struct{}
	answered atomic.Int64

	mu  sync.Mutex
	ops []operation
}

// stormBot asks one thing after the other.
type stormBot struct {
	storm   *storm
	n       int
	key     string
	rng     *rand.Rand
	clients map[string]*client.Client // by the server's address
	live    []string
}

// open opens the portfolio with its limit and a bot with a key for each caller.
func (s *storm) open() []*stormBot {
	s.t.Helper()
	s.post(0, "/v1/portfolios", map[string]any{
		"id": portfolio, "mode": domain.ModePaper, "limits": map[string]any{"max_market_usd": stormLimit, "permit_ttl": "1h"},
	}, nil)
	s.here(0, "/deposits", commands.RecordDeposit{Wallet: domain.WalletHot, Amount: domain.MustDecimal("100000")})
	bots := make([]*stormBot, stormBots)
	for n := range bots {
		b := &stormBot{storm: s, n: n, rng: rand.New(rand.NewPCG(uint64(n), 5)), clients: map[string]*client.Client{}}
		s.here(0, "/bots", commands.RegisterBot{ID: b.id(), Capital: domain.MustDecimal("1000")})
		s.here(0, "/bots/"+b.id()+"/start", struct{}{})
		var made struct{ Secret string }
		s.post(0, "/v1/api-keys", map[string]string{"user": b.id(), "role": "bot", "portfolio": portfolio, "bot": b.id()}, &made)
		b.key, bots[n] = made.Secret, b
	}
	for i := range s.all {
		s.knows(i, bots[len(bots)-1].key)
	}
	return bots
}

func (b *stormBot) id() string { return fmt.Sprint("bot", b.n) }

// run asks, and gives some of what it was granted back, until the storm is over.
func (b *stormBot) run(ctx context.Context, atLeast int) {
	for step := 0; ctx.Err() == nil; step++ {
		if step >= atLeast {
			select {
			case <-b.storm.stopping:
				return
			default:
			}
		}
		if len(b.live) > 0 && b.rng.IntN(3) > 0 {
			permit := b.live[0]
			b.live = b.live[1:]
			b.do(ctx, operation{path: "/permits/" + permit + "/release", body: map[string]any{"reason": "cancelled"}, releases: permit})
		} else {
			b.do(ctx, operation{path: "/permits", body: map[string]any{
				"bot": b.id(), "market": "m", "outcome": "YES", "side": "buy", "quantity": "100", "limit_price": "0.5",
			}})
		}
		time.Sleep(time.Duration(b.rng.IntN(30)) * time.Millisecond)
	}
}

// do sends one command to any server, with the same key until it has an answer.
func (b *stormBot) do(ctx context.Context, op operation) {
	s := b.storm
	op.bot, op.key, op.called = b.n, uuid.NewString(), time.Since(s.began)
	for within := 300 * time.Millisecond; ; within = min(3*within/2, 30*time.Second) {
		op.attempts++
		op.answer = answer{}
		err := b.send(ctx, s.url(b.rng.IntN(len(s.urls))), within, &op)
		if err == nil {
			break
		}
		if ctx.Err() != nil {
			return // the test has failed
		}
		if p := (*client.Problem)(nil); errors.As(err, &p) && p.Status < http.StatusInternalServerError && p.Status != http.StatusTooManyRequests {
			s.t.Errorf("%s %s: %v", b.id(), op.path, err)
			return
		}
	}
	op.returned = time.Since(s.began)
	if op.releases == "" && op.answer.Allowed {
		b.live = append(b.live, op.answer.PermitID)
	}
	s.answered.Add(1)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ops = append(s.ops, op)
}

// send makes one attempt.
func (b *stormBot) send(ctx context.Context, url string, within time.Duration, op *operation) error {
	c := b.clients[url]
	if c == nil {
		var err error
		if c, err = client.New(client.Options{URL: url, Key: b.key, OwnKeys: true, Patience: time.Millisecond}); err != nil {
			return err
		}
		b.clients[url] = c
	}
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	return c.Send(ctx, http.MethodPost, "/v1/portfolios/"+portfolio+op.path, op.key, op.body, &op.answer)
}

// progress waits for so many more answers: the servers that are left go on.
func (s *storm) progress(n int64) {
	s.t.Helper()
	want := s.answered.Load() + n
	require.Eventually(s.t, func() bool { return s.answered.Load() >= want || s.t.Failed() }, 2*time.Minute, 5*time.Millisecond, "nothing is answered")
}

// strike lets one thing after the other go wrong, each at another server.
func (s *storm) strike(first int, pause time.Duration) {
	s.t.Helper()
	killed, paused, far := first%3, (first+1)%3, (first+2)%3
	s.kill(killed)
	s.progress(stormBots / 2)
	s.start(killed)

	s.all[paused].Freeze()
	time.Sleep(pause)
	s.progress(stormBots / 4)
	s.wake(paused) // with what it was asked, and had decided, before
	s.progress(stormBots / 2)

	for _, way := range []way{wayCut, wayHang, waySlow} {
		s.proxies[far].set(way)
		time.Sleep(pause / 5)
		s.progress(stormBots / 4)
		s.proxies[far].set(wayOpen)
	}
	s.progress(stormBots / 2)

	s.proxies[far].set(wayHang) // two at once
	s.all[paused].Freeze()
	s.progress(stormBots / 4)
	s.kill(paused)
	s.proxies[far].set(wayOpen)
	s.start(paused)
	s.progress(stormBots / 2)
}

// 64 bots ask three servers for permits under one limit of the portfolio, while servers are
// killed, paused and cut off from the database. Whatever an answer says is in the stream, once;
// the limit is kept at every revision; and the answers are those of one server that never fails.
func TestAStormOnThreeServers(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	s := &storm{servers: serve(t, 3), began: time.Now(), stopping: make(chan struct{})}
	bots := s.open()
	var group sync.WaitGroup
	for _, b := range bots {
		group.Go(func() { b.run(ctx, 3) })
	}
	defer group.Wait()
	defer cancel() // before the wait, if the test has failed
	for round := range testenv.Rounds(1, 1, 2) {
		s.strike(round, time.Duration(testenv.Rounds(1, 1, 10))*time.Second)
	}
	close(s.stopping)
	group.Wait()
	require.False(t, t.Failed())
	s.agree()
	s.check(bots)
}
