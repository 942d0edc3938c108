package demo_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"pets/commands/client"
	"pets/domain"
	"pets/internal/cli/clitest"
	"pets/internal/pets/petstest"
	"pets/internal/testenv"
)

const (
	examplesFolder   = "../../../docs/examples"
	typescriptFolder = examplesFolder + "/typescript"
	// botPatience bounds every wait for a bot.
	botPatience = 20 * time.Second
)

// exampleBots run the same tests: they are one bot in two languages.
var exampleBots = []struct {
	name    string
	command func(t *testing.T) []string
}{
	{"python", func(t *testing.T) []string {
		testenv.Need(t, "python3")
		script, err := filepath.Abs(filepath.Join(examplesFolder, "bot.py"))
		require.NoError(t, err)
		return []string{"python3", script}
	}},
	{"typescript", func(t *testing.T) []string {
		return []string{"node", filepath.Join(builtTypescript(t), "bot.js")}
	}},
}

// eachExampleBot runs a test with a fresh server for every bot, in parallel, because they mostly
// wait. Limits that do not say so are of the second edition.
func eachExampleBot(t *testing.T, limits map[string]any, test func(r *botRig)) {
	for _, bot := range exampleBots {
		t.Run(bot.name, func(t *testing.T) {
			command := bot.command(t)
			t.Parallel()
			test(newBotRig(t, command, limits))
		})
	}
}

// botRig is a server with a bot that may trade, and the bot's working folder.
type botRig struct {
	t       *testing.T
	command []string
	folder  string // the server's store
	dir     string // the bot's working folder
	server  *petstest.Process
	main    *client.Portfolio // with an operator's key
	key     string            // the bot's key
	env     []string          // of the bot, besides
}

func newBotRig(t *testing.T, command []string, limits map[string]any) *botRig {
	t.Helper()
	r := &botRig{t: t, command: command, folder: filepath.Join(t.TempDir(), "store"), dir: t.TempDir()}
	if limits["rules"] == 1 {
		petstest.FirstEdition(t, r.folder, time.Time{}, func(p *domain.Policy) { p.ClosePositionsOnTrip = limits["close_positions_on_trip"] == true })
	}
	r.server = petstest.ServeFolder(t, r.folder)
	r.opened(r.server.Client(petstest.AdminKey), limits)
	return r
}

// opened opens the portfolio, and registers and starts the bot.
func (r *botRig) opened(admin *client.Client, limits map[string]any) {
	t := r.t
	t.Helper()
	r.main = admin.Portfolio("main")
	if limits["rules"] != 1 { // of the first edition it is there: no request opens one
		all := map[string]any{"rules": 2, "while_tripped": "reduce"}
		maps.Copy(all, limits)
		opening := map[string]any{"id": "main", "mode": "paper", "limits": all}
		require.NoError(t, admin.Send(t.Context(), http.MethodPost, "/v1/portfolios", "open", opening, nil))
	}
	r.post("/deposits", map[string]any{"wallet": "hot", "amount": "10000"})
	r.post("/bots", map[string]any{"id": "alpha", "capital": "2000"})
	r.post("/bots/alpha/start", struct{}{})
	var issued struct{ Secret string }
	key := map[string]any{"user": "alpha-host", "role": "bot", "portfolio": "main", "bot": "alpha"}
	require.NoError(t, admin.Send(t.Context(), http.MethodPost, "/v1/api-keys", "key", key, &issued))
	r.key = issued.Secret
}

func (r *botRig) post(path string, body any) {
	r.t.Helper()
	require.NoError(r.t, r.main.Post(r.t.Context(), path, path+" "+uuid.NewString(), body, nil))
}

// botProcess is one life of a bot.
type botProcess struct {
	cmd   *exec.Cmd
	out   *clitest.Buffer
	ended chan error
}

// start starts the bot against an address: the server's, or a proxy's.
func (r *botRig) start(url string, args ...string) *botProcess {
	r.t.Helper()
	b := &botProcess{cmd: exec.Command(r.command[0], append(r.command[1:], args...)...), out: &clitest.Buffer{}, ended: make(chan error, 1)}
	b.cmd.Dir, b.cmd.Stdout, b.cmd.Stderr = r.dir, b.out, b.out
	b.cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"),
		"PETS_SERVER=" + url, "PETS_KEY=" + r.key, "PETS_PORTFOLIO=main", "PETS_BOT=alpha",
	}
	b.cmd.Env = append(b.cmd.Env, r.env...)
	require.NoError(r.t, b.cmd.Start())
	over := make(chan struct{})
	go func() { b.ended <- b.cmd.Wait(); close(over) }()
	r.t.Cleanup(func() { _ = b.cmd.Process.Kill(); <-over })
	return b
}

// over waits for the end of a life, that is, of the bot's process.
func (r *botRig) over(b *botProcess) error {
	r.t.Helper()
	select {
	case err := <-b.ended:
		require.NotContains(r.t, b.out.String(), r.key)
		return err
	case <-time.After(botPatience):
		require.Fail(r.t, "the bot goes on for too long", b.out.String())
		return nil
	}
}

// end expects a clean end, without refusals by the server.
func (r *botRig) end(b *botProcess) {
	r.t.Helper()
	require.NoError(r.t, r.over(b), b.out.String())
	require.NotContains(r.t, b.out.String(), "refused:")
}

// died expects an end by force.
func (r *botRig) died(b *botProcess) {
	r.t.Helper()
	require.ErrorContains(r.t, r.over(b), "killed", b.out.String())
	require.NotContains(r.t, b.out.String(), "refused:")
}

func (r *botRig) terminate(b *botProcess) {
	r.t.Helper()
	require.NoError(r.t, b.cmd.Process.Signal(syscall.SIGTERM))
	r.end(b)
}

// venueOrder is an order in the book of the bot's simulated exchange.
type venueOrder struct {
	ID, Side, Quantity, Filled string
	Price                      string `json:"limit_price"`
	TradeID                    string `json:"trade_id"`
	SetID                      string `json:"set_id"` // of sets that it split or merged
	Left, Group, Outcome       string
	TimeInForce                string `json:"time_in_force"`
	Rests                      bool
}

// venue reads that book: the last line of an order counts.
func (r *botRig) venue() []venueOrder {
	r.t.Helper()
	raw, err := os.ReadFile(filepath.Join(r.dir, "alpha.venue"))
	if os.IsNotExist(err) {
		return nil
	}
	require.NoError(r.t, err)
	var all []venueOrder
	for line := range strings.Lines(string(raw)) {
		var o venueOrder
		if json.Unmarshal([]byte(line), &o) != nil {
			break // the last line is still being written
		}
		i := slices.IndexFunc(all, func(known venueOrder) bool { return known.ID == o.ID })
		if i < 0 {
			all = append(all, o)
			continue
		}
		all[i] = o
	}
	return all
}

func (r *botRig) eventually(what string, b *botProcess, ok func() bool) {
	r.t.Helper()
	for begun := time.Now(); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Since(begun) > botPatience {
			require.Fail(r.t, "waited in vain until "+what, b.out.String())
		}
	}
}

// held returns the bot's position according to the server.
func (r *botRig) held() string {
	r.t.Helper()
	var v struct {
		Positions []struct{ Quantity domain.Decimal }
	}
	require.NoError(r.t, r.main.Get(r.t.Context(), "/positions", &v))
	if len(v.Positions) == 0 {
		return "0"
	}
	require.Len(r.t, v.Positions, 1)
	return v.Positions[0].Quantity.String()
}

// livePermits returns the states of the live permits.
func (r *botRig) livePermits() []string {
	r.t.Helper()
	var v struct{ Permits []struct{ Status string } }
	require.NoError(r.t, r.main.Get(r.t.Context(), "/permits", &v))
	var all []string
	for _, p := range v.Permits {
		all = append(all, p.Status)
	}
	return all
}

// resting waits until the n-th order rests at the venue and the server knows it.
func (r *botRig) resting(b *botProcess, n int) {
	r.t.Helper()
	r.eventually("an order rests", b, func() bool {
		orders := r.venue()
		return len(orders) == n && orders[n-1].Rests && slices.Equal(r.livePermits(), []string{"working"})
	})
}

// check compares the server's books with the venue's: every order was permitted and placed once,
// every fill is recorded once, and nothing is reserved. The fills may only have the given flags.
func (r *botRig) check(orders int, flags ...string) {
	r.t.Helper()
	require.Empty(r.t, r.livePermits(), "a permit leaked")
	granted, placed, recorded := map[string]bool{}, map[string]int{}, map[string]venueOrder{}
	for line := range strings.Lines(r.server.Pets(r.folder, "", "--store=embedded:"+r.folder, "events", "--json").Out) {
		var e struct {
			Type string
			Data struct {
				Permit, Side, Quantity, Price string
				TradeID                       string `json:"trade_id"`
				ReduceOnly                    bool   `json:"reduce_only"`
				Flags                         []string
			}
		}
		require.NoError(r.t, json.Unmarshal([]byte(line), &e))
		d := e.Data
		switch e.Type {
		case domain.PermitGrantedType:
			granted[d.Permit] = true
			require.Equal(r.t, d.Side == string(domain.Sell), d.ReduceOnly, d.Permit)
		case domain.PermitPlacedType:
			placed[d.Permit]++
		case domain.FillRecordedType:
			require.NotContains(r.t, recorded, d.Permit, "twice")
			require.Subset(r.t, flags, d.Flags, d.Permit)
			recorded[d.Permit] = venueOrder{ID: d.Permit, Side: d.Side, Filled: d.Quantity, Price: d.Price, TradeID: d.TradeID}
		}
	}
	want, position := map[string]venueOrder{}, domain.Decimal{}
	for _, o := range r.venue() {
		require.True(r.t, granted[o.ID], o.ID)
		require.Equal(r.t, 1, placed[o.ID], o.ID)
		require.False(r.t, o.Rests, o.ID)
		filled, price := domain.MustDecimal(o.Filled), domain.MustDecimal(o.Price)
		if filled.IsZero() {
			continue // a stop that was not reached
		}
		want[o.ID] = venueOrder{ID: o.ID, Side: o.Side, Filled: filled.String(), Price: price.String(), TradeID: o.TradeID}
		if o.Side == string(domain.Sell) {
			filled = filled.Neg()
		}
		position = position.Add(filled)
	}
	require.Len(r.t, r.venue(), orders)
	require.Len(r.t, placed, orders)
	require.Equal(r.t, want, recorded)
	require.Equal(r.t, position.String(), r.held())
	require.Equal(r.t, 0, r.server.Pets(r.folder, "", "verify").Code)
}

// "ask, place, trade, report": what a bot says it did is what the books hold.
func TestExampleBotsTrade(t *testing.T) {
	t.Parallel()
	eachExampleBot(t, map[string]any{}, func(r *botRig) {
		r.end(r.start(r.server.URL, "--orders", "8", "--rest", "0.05"))
		r.check(8)
		sides := ""
		for _, o := range r.venue() {
			sides += o.Side + " " + o.Filled + " of " + o.Quantity + ", "
		}
		require.Equal(r.t, "buy 10 of 10, sell 10 of 10, buy 10 of 10, sell 1 of 10, sell 9 of 9, buy 10 of 10, sell 10 of 10, buy 1 of 10, ", sides)
		var stats struct{ Portfolio struct{ Trades, Wins int } }
		require.NoError(r.t, r.main.Get(r.t.Context(), "/stats", &stats))
		require.Equal(r.t, 3, stats.Portfolio.Trades)
		require.Equal(r.t, 3, stats.Portfolio.Wins)
	})
}

// "Retries with the same key": an answer that is lost, and a server that is busy,
// make no second command; a stream that breaks goes on; what is refused is shown, and
// nothing of the key.
func TestExampleBotsRetry(t *testing.T) {
	t.Parallel()
	eachExampleBot(t, map[string]any{}, func(r *botRig) {
		before := newBetween(r)
		tries := map[string][]string{}
		before.onPost(func(w http.ResponseWriter, q *http.Request, body []byte) {
			key := q.Header.Get("Idempotency-Key")
			tries[key] = append(tries[key], q.URL.Path+" "+string(body))
			switch len(tries[key]) {
			case 1: // it happens, but the answer is lost
				before.forward(nil, q, body)
				panic(http.ErrAbortHandler)
			case 2:
				http.Error(w, "slow down", []int{http.StatusTooManyRequests, http.StatusServiceUnavailable}[len(tries)%2])
			default:
				before.forward(w, q, body)
			}
		})
		r.end(r.start(before.url, "--orders", "4", "--rest", "0.05"))
		r.check(4)
		before.onPost(before.forward) // from here on, tries is not written
		require.Len(r.t, tries, 4*3+1, "asked, placed and filled four times, released once")
		for key, sent := range tries {
			require.Equal(r.t, []string{sent[0], sent[0], sent[0]}, sent, key)
		}
		streams := before.resumed()
		require.Greater(r.t, len(streams), 1, "the one that was cut off is open again")
		require.Empty(r.t, streams[0])
		require.NotEmpty(r.t, streams[1], "it goes on where it was")

		for key, words := range map[string]string{"pets_unknown-key": "401", "pets_two\nlines": "set PETS_SERVER"} {
			r.key = key
			b := r.start(r.server.URL)
			require.Error(r.t, r.over(b))
			require.Contains(r.t, b.out.String(), words)
			require.NotContains(r.t, b.out.String(), strings.Fields(key)[0])
		}
	})
}

// "survive a restart of either side": the bot is killed at its n-th command, before
// the server hears of it, before the bot hears the answer, and just after; and at
// any moment. Every order is there once, and no permit stays behind.
func TestExampleBotsKilled(t *testing.T) {
	t.Parallel()
	rounds := 6
	if testing.Short() {
		rounds = 3
	}
	eachExampleBot(t, map[string]any{}, func(r *botRig) {
		before := newBetween(r)
		for n := range rounds {
			for _, when := range []string{"before", "unheard", "heard"} {
				before.killAt(r.t, n+1, when)
				b := r.start(before.url, "--orders", "1000", "--rest", "0.02")
				before.bot <- b.cmd.Process
				r.died(b)
			}
			b := r.start(r.server.URL, "--orders", "1000", "--rest", "0.02")
			time.Sleep(time.Duration(100+rand.IntN(400)) * time.Millisecond)
			require.NoError(r.t, b.cmd.Process.Kill())
			r.died(b)
		}
		// A command that was not fully written because of a power cut was never sent.
		require.NoError(r.t, os.WriteFile(filepath.Join(r.dir, "alpha.journal"), []byte(`["/permits", {"bot": "al`), 0o600))
		orders := len(r.venue()) + 4
		r.end(r.start(r.server.URL, "--orders", strconv.Itoa(orders), "--rest", "0.02"))
		require.Greater(r.t, orders, rounds)
		r.check(orders)
	})
}

// If a life ends after placing an order, the next one reports the order, even if its permit has
// expired meanwhile.
func TestExampleBotsReportLate(t *testing.T) {
	t.Parallel()
	eachExampleBot(t, map[string]any{"permit_ttl": "1s"}, func(r *botRig) {
		before := newBetween(r)
		before.killAt(r.t, 2, "before")
		b := r.start(before.url)
		before.bot <- b.cmd.Process
		r.died(b)
		require.Len(r.t, r.venue(), 1, "it died when it was about to say that it had placed the order")
		r.eventually("the permit has expired", b, func() bool { return len(r.livePermits()) == 0 })
		require.Equal(r.t, "0", r.held())
		b = r.start(r.server.URL, "--orders", "1")
		require.NoError(r.t, r.over(b), b.out.String())
		require.Equal(r.t, "10", r.held())
		require.Contains(r.t, b.out.String(), "filled: buy 10 of 10 by p5 permit_not_live", "the flags of the answer")
		require.Equal(r.t, 1, strings.Count(b.out.String(), "refused:"), "it is too late to say that it was placed: %s", b.out)
	})
}

// The server is killed under the bot three times; the bot goes on once it is back.
func TestExampleBotsOutliveTheServer(t *testing.T) {
	t.Parallel()
	eachExampleBot(t, map[string]any{}, func(r *botRig) {
		b := r.start(r.server.URL, "--orders", "20", "--rest", "0.05")
		for i := range 3 {
			r.eventually("it has traded some more", b, func() bool { return len(r.venue()) >= 5*(i+1) })
			require.NoError(r.t, r.server.Cmd.Process.Kill())
			_ = r.server.Cmd.Wait()
			time.Sleep(time.Duration(rand.IntN(300)) * time.Millisecond)
			r.server = petstest.ServeAt(r.t, strings.TrimPrefix(r.server.URL, "http://"), r.folder)
		}
		r.end(b)
		r.check(20)
	})
}

// "obey directives": what an operator stops rests no longer and places nothing more,
// and goes on when it is started again.
// "bot stopped by a person: reduce; nothing with stop {full:true}": under the first edition
// every stop is full.
func TestExampleBotsStop(t *testing.T) {
	t.Parallel()
	eachExampleBot(t, map[string]any{"rules": 1}, func(r *botRig) { stopped(r, map[string]any{"reason": "odd fills"}) })
	eachExampleBot(t, map[string]any{"rules": 2}, func(r *botRig) { stopped(r, map[string]any{"reason": "odd fills", "full": true}) })
}

func stopped(r *botRig, stop map[string]any) {
	b := r.start(r.server.URL, "--orders", "1000", "--rest", "60")
	r.resting(b, 4)
	r.post("/bots/alpha/stop", stop)
	r.eventually("it is cancelled", b, func() bool { return !r.venue()[3].Rests && len(r.livePermits()) == 0 })
	require.Contains(r.t, b.out.String(), "told: stop - stopped by an operator")
	time.Sleep(1500 * time.Millisecond) // it polls every second
	r.check(4, domain.FlagHalted)
	require.Equal(r.t, "9", r.held())

	// A bot that comes back learns of it as well.
	r.terminate(b)
	b = r.start(r.server.URL, "--orders", "1000", "--rest", "60")
	r.eventually("it hears that it is stopped", b, func() bool { return strings.Contains(b.out.String(), "told: stop - the bot is stopped") })
	time.Sleep(1500 * time.Millisecond)
	r.check(4, domain.FlagHalted)

	r.post("/bots/alpha/start", struct{}{})
	r.resting(b, 8)
	r.terminate(b)
	r.check(8, domain.FlagHalted)
}

// "places nothing more": not even an order that was permitted just before the bot learned of the
// stop.
func TestExampleBotsHearBeforeTheyPlace(t *testing.T) {
	t.Parallel()
	eachExampleBot(t, map[string]any{}, func(r *botRig) {
		before := newBetween(r)
		starting := make(chan *botProcess, 1)
		before.onPost(func(w http.ResponseWriter, q *http.Request, body []byte) {
			if len(r.venue()) == 2 && strings.HasSuffix(q.URL.Path, "/permits") {
				answer := httptest.NewRecorder()
				before.forward(answer, q, body)
				r.post("/bots/alpha/stop", struct{}{})
				b := <-starting
				r.eventually("it hears of it", b, func() bool { return strings.Contains(b.out.String(), "told: stop") })
				starting <- b
				_, _ = w.Write(answer.Body.Bytes())
				return
			}
			before.forward(w, q, body)
		})
		b := r.start(before.url)
		starting <- b
		r.eventually("it gives the permit back", b, func() bool { return strings.Contains(b.out.String(), "/release") })
		require.NoError(r.t, b.cmd.Process.Signal(syscall.SIGTERM))
		require.NoError(r.t, r.over(b), b.out.String())
		require.Equal(r.t, 1, strings.Count(b.out.String(), "refused:"), "the permit was revoked: %s", b.out)
		r.check(2)
	})
}

// "A replayed permit that is not as it was granted any more says so": the answer to the
// permit is lost, and before the bot asks again everything is stopped. It hears nothing of
// that on its stream, and places nothing.
func TestExampleBotsAskAgainAfterAStop(t *testing.T) {
	t.Parallel()
	eachExampleBot(t, map[string]any{}, func(r *botRig) {
		before := newBetween(r)
		before.deaf.Store(true)
		lost := false
		before.onPost(func(w http.ResponseWriter, q *http.Request, body []byte) {
			if !lost && len(r.venue()) == 2 && strings.HasSuffix(q.URL.Path, "/permits") {
				lost = true
				before.forward(nil, q, body)
				r.post("/emergency-stop", map[string]string{"kind": "manual", "reason": "the feed is lying"})
				panic(http.ErrAbortHandler)
			}
			before.forward(w, q, body)
		})
		b := r.start(before.url)
		r.eventually("it is told", b, func() bool { return strings.Contains(b.out.String(), "over emergency_stop") })
		require.Contains(r.t, b.out.String(), "told: stop - emergency stop: manual")
		r.terminate(b)
		r.check(2)
	})
}

// After a trip with close_positions_on_trip, the bot sells what it holds, with a permit that only
// reduces, and that is its last order.
func TestExampleBotsCloseAfterATrip(t *testing.T) {
	t.Parallel()
	for _, edition := range []int{1, 2} {
		eachExampleBot(t, map[string]any{"rules": edition, "close_positions_on_trip": true}, closedAfterATrip)
	}
}

func closedAfterATrip(r *botRig) {
	b := r.start(r.server.URL, "--orders", "1000", "--rest", "60")
	r.resting(b, 4)
	r.post("/trades", map[string]any{"bot": "alpha", "market": "elsewhere", "pnl": "-700", "trade_id": "loss"})
	r.eventually("it holds nothing", b, func() bool { return r.held() == "0" })
	require.Contains(r.t, b.out.String(), "told: close_positions - breaker daily_loss tripped")
	time.Sleep(1500 * time.Millisecond)
	r.terminate(b)
	r.check(5, domain.FlagHalted)
	last := r.venue()[4]
	require.Equal(r.t, "sell 9 ioc", last.Side+" "+last.Filled+" "+last.TimeInForce)
}

// builtTypescript builds the bot into a separate folder, once.
func builtTypescript(t *testing.T) string {
	t.Helper()
	needTypescript(t)
	petstest.Typescript.Do(func() {
		dir, err := os.MkdirTemp("", "pets-bot-")
		require.NoError(t, err)
		petstest.Typescript.Dir = dir
		if out, err := npmExec(`tsc --outDir "` + dir + `"`); err != nil {
			petstest.Typescript.Out = out
		}
		require.NoError(t, os.WriteFile(filepath.Join(dir, "package.json"), []byte(`{"type":"module"}`), 0o600))
	})
	require.Empty(t, petstest.Typescript.Out)
	return petstest.Typescript.Dir
}

func needTypescript(t *testing.T) {
	t.Helper()
	testenv.Need(t, "node", "npm")
	if _, err := os.Stat(filepath.Join(typescriptFolder, "node_modules", "typescript")); err != nil {
		testenv.Lacks(t, "docs/examples/typescript has no node_modules: run npm ci there")
	}
}

// npmExec runs a command of the folder's dev dependencies.
func npmExec(command string) (string, error) {
	c := exec.Command("npm", "exec", "--offline", "--call", command)
	c.Dir = typescriptFolder
	out, err := c.CombinedOutput()
	return string(out), err
}

// "types generated from the OpenAPI document": from the document as it is now, by
// the command that package.json names.
func TestExampleBotTypesAreGenerated(t *testing.T) {
	t.Parallel()
	needTypescript(t)
	raw, err := os.ReadFile(filepath.Join(typescriptFolder, "package.json"))
	require.NoError(t, err)
	var manifest struct{ Scripts map[string]string }
	require.NoError(t, json.Unmarshal(raw, &manifest))
	anew := filepath.Join(t.TempDir(), "anew.d.ts")
	command := strings.Replace(manifest.Scripts["generate"], "pets.d.ts", anew, 1)
	require.Contains(t, command, anew)
	out, err := npmExec(command)
	require.NoError(t, err, out)
	want, err := os.ReadFile(anew)
	require.NoError(t, err)
	got, err := os.ReadFile(filepath.Join(typescriptFolder, "pets.d.ts"))
	require.NoError(t, err)
	require.True(t, bytes.Equal(want, got), "npm run generate in docs/examples/typescript writes what is now")
}
