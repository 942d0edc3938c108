package soak_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"pets/commands"
	"pets/commands/client"
	"pets/domain"
	"pets/internal/pets/petstest"
	"pets/internal/testenv"
)

// TestSoak: 64 bots trade through HTTP: permits, fills, provisional ones that are confirmed or
// voided, marks, and markets that end. The server is killed again and again. Every command
// that was acknowledged is known after it, at its revision; at the end the state that was
// answered from is the one that the history folds to, and the log verifies.
func TestSoak(t *testing.T) {
	if testing.Short() {
		t.Skip("a soak is not short")
	}
	events := testenv.Rounds(10_000, 15_000, 100_000)
	if *soakEvents > 0 {
		events = *soakEvents
	}
	s := newSoak(t, filepath.Join(t.TempDir(), "store"))
	s.run(events, killEvery(time.Minute))
	s.finish()
}

// soak is a server under load.
type soak struct {
	t      *testing.T
	folder string
	at     string // the address of the server
	server *petstest.Process
	admin  *client.Portfolio
	crowd  *crowd
	bots   []*bot
	kills  atomic.Int64
	told   int64 // events at the last report
	began  time.Time
	n      int // of markets
}

func newSoak(t *testing.T, folder string) *soak {
	l, err := net.Listen("tcp", "127.0.0.1:0") // a free port, which every server of the soak takes
	require.NoError(t, err)
	s := &soak{t: t, folder: folder, at: l.Addr().String(), began: time.Now()}
	require.NoError(t, l.Close())
	s.start()
	c := s.server.Client(petstest.AdminKey)
	s.admin = c.Portfolio(portfolio)
	s.crowd = &crowd{url: s.server.URL, http: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: soakBots}, Timeout: time.Minute}}
	s.post("/v1/portfolios", map[string]any{"id": portfolio, "mode": domain.ModePaper})
	s.here("/deposits", commands.RecordDeposit{Wallet: domain.WalletHot, Amount: domain.MustDecimal("100000000")})
	for n := range soakBots {
		id := fmt.Sprintf("bot%02d", n)
		s.here("/bots", commands.RegisterBot{ID: id, Capital: domain.MustDecimal("100000")})
		s.here("/bots/"+id+"/start", struct{}{})
		var key struct{ Secret string }
		require.NoError(t, c.Send(t.Context(), http.MethodPost, "/v1/api-keys", uuid.NewString(), map[string]string{"user": id, "role": "bot", "portfolio": portfolio, "bot": id}, &key))
		s.bots = append(s.bots, &bot{crowd: s.crowd, id: id, key: key.Secret})
	}
	s.nextMarket()
	return s
}

// start starts a server, or starts it again after a kill.
func (s *soak) start() {
	s.server = petstest.ServeAt(s.t, s.at, s.folder, "PETS_RATE_LIMIT=0", "PETS_BYTES_PER_DAY=0")
}

func (s *soak) post(path string, body any) {
	s.t.Helper()
	require.NoError(s.t, s.server.Client(petstest.AdminKey).Send(s.t.Context(), http.MethodPost, path, uuid.NewString(), body, nil))
}

func (s *soak) here(path string, body any) {
	s.t.Helper()
	s.post("/v1/portfolios/"+portfolio+path, body)
}

// nextMarket opens a market, and settles the one before the last: what bots still hold of it
// is paid out.
func (s *soak) nextMarket() {
	s.t.Helper()
	name := func(n int) string { return fmt.Sprintf("m%d", n) }
	s.here("/markets", map[string]any{"market": name(s.n), "kind": "outcome", "outcomes": []string{"YES", "NO"}})
	s.mark(name(s.n))
	s.crowd.market.Store(&market{name(s.n)})
	if s.n >= 2 {
		s.here("/settlements", map[string]any{"market": name(s.n - 2), "payouts": map[string]string{"YES": "1", "NO": "0"}})
	}
	s.n++
}

func (s *soak) mark(name string) {
	s.t.Helper()
	price := fmt.Sprintf("0.%d", 46+time.Now().UnixNano()%9)
	s.here("/marks", map[string]any{"marks": []map[string]string{{"market": name, "outcome": "YES", "price": price}}})
}

// run lets the bots trade until there are so many events, and kills the server meanwhile.
func (s *soak) run(events int, every time.Duration) {
	var group sync.WaitGroup
	failed := make([]error, len(s.bots))
	stopped := make(chan struct{})
	for n, b := range s.bots {
		group.Go(func() { failed[n] = b.trade(&s.kills) })
	}
	go func() { group.Wait(); close(stopped) }()
	defer func() { s.crowd.ended.Store(true); <-stopped }()

	// A short run is killed three times, too.
	most, killed := int64(events), time.Now()
	for step := int64(1); ; step++ {
		select {
		case <-stopped:
			require.NoError(s.t, errors.Join(failed...), "%s", s.server.Errs)
		case <-time.After(20 * time.Millisecond):
		}
		now := s.crowd.events.Load()
		if now >= most {
			break
		}
		if kills := s.kills.Load(); time.Since(killed) > every || kills < 3 && now > most*(kills+1)/4 {
			s.kill()
			killed = time.Now()
		}
		if step%10 == 0 {
			s.mark(s.crowd.market.Load().name)
		}
		if now > int64(s.n)*most/20 {
			s.nextMarket()
		}
		if now-s.told >= 1_000_000 {
			s.report()
		}
	}
	s.crowd.ended.Store(true)
	<-stopped
	require.NoError(s.t, errors.Join(failed...), "%s", s.server.Errs)
	s.report()
	require.GreaterOrEqual(s.t, s.kills.Load(), int64(3))
	checked := 0
	for _, b := range s.bots {
		checked += b.checked
	}
	require.Positive(s.t, checked, "no bot sent again what had been acknowledged")
}

// kill ends the server as a power cut would, and starts it again.
func (s *soak) kill() {
	require.NoError(s.t, s.server.Cmd.Process.Signal(syscall.SIGKILL))
	_, _ = s.server.Cmd.Process.Wait()
	s.start()
	s.kills.Add(1)
}

// report prints the memory of the server and how long batches took since the last report.
func (s *soak) report() {
	s.crowd.mu.Lock()
	took := s.crowd.took
	s.crowd.took = nil
	s.crowd.mu.Unlock()
	slices.Sort(took)
	at := func(share float64) time.Duration {
		if len(took) == 0 {
			return 0
		}
		return took[int(float64(len(took)-1)*share)].Round(100 * time.Microsecond)
	}
	s.told = s.crowd.events.Load()
	s.t.Logf("%d events after %s, %d kills: %d MB resident; batches of about %d: p50 %s, p99 %s, longest %s",
		s.told, time.Since(s.began).Round(time.Second), s.kills.Load(), s.resident()>>20, orders, at(0.5), at(0.99), at(1))
}

// resident is the memory of the server, or 0 where the system does not say.
func (s *soak) resident() uint64 {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.server.Cmd.Process.Pid))
	_, rest, _ := strings.Cut(string(b), "VmRSS:")
	kilobytes := uint64(0)
	_, _ = fmt.Sscanf(rest, "%d", &kilobytes)
	return kilobytes << 10
}

// finish compares the state that was answered from with one that begins from a checkpoint, and
// with one that is folded from the first record, and verifies the log.
func (s *soak) finish() {
	t := s.t
	s.here("/emergency-stop", map[string]string{"kind": "manual", "reason": "the soak is over"}) // nothing changes with time any more
	live := s.views()
	snapshots := filepath.Join(s.folder, "snapshots")
	require.Eventually(t, func() bool { // it is made when nothing happens for some seconds
		files, _ := filepath.Glob(filepath.Join(snapshots, "state@*"))
		return len(files) > 0
	}, 2*time.Minute, 50*time.Millisecond, "no checkpoint was made: %s", s.server.Errs)
	for _, from := range []string{"a checkpoint", "the first record"} {
		s.end()
		if from == "the first record" {
			require.NoError(t, os.RemoveAll(snapshots))
			require.NoError(t, os.RemoveAll(filepath.Join(s.folder, "index")))
		}
		s.start()
		for path, want := range live {
			require.JSONEq(t, want, s.view(path), "%s, from %s", path, from)
		}
	}
	s.end()
	ran := s.server.Pets(s.folder, "", "verify")
	require.Zero(t, ran.Code, "%s%s", ran.Out, ran.Err)
}

func (s *soak) end() {
	require.NoError(s.t, s.server.Cmd.Process.Signal(syscall.SIGTERM))
	state, err := s.server.Cmd.Process.Wait()
	require.NoError(s.t, err)
	require.Zero(s.t, state.ExitCode(), "%s", s.server.Errs)
}

// views are what readers see of the state.
func (s *soak) views() map[string]string {
	all := map[string]string{}
	for _, path := range []string{"/state", "/positions?limit=1000", "/balances?limit=1000", "/breakers?limit=1000", "/stats", "/permits", "/equity?points=100"} {
		all[path] = s.view(path)
	}
	return all
}

func (s *soak) view(path string) string {
	s.t.Helper()
	var raw json.RawMessage
	require.NoError(s.t, s.server.Client(petstest.AdminKey).Get(s.t.Context(), "/v1/portfolios/"+portfolio+path, &raw))
	return string(raw)
}
