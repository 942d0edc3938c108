package operate_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/internal/cli"
	"pets/internal/pets/petstest"
)

// traded is a server with a portfolio that has a bot.
func traded(t *testing.T) (*petstest.Shell, *petstest.Process) {
	t.Helper()
	s := petstest.New(t)
	p := petstest.ServeFolder(t, s.Store())
	s.Env = append(s.Env, "PETS_SERVER="+p.URL, "PETS_KEY="+petstest.AdminKey)
	s.Ok("portfolio", "open", "main", "--limit", "blocked_zones=none")
	s.Ok("deposit", "10000")
	s.Ok("bot", "add", "alpha", "--capital", "1000")
	return s, p
}

var keyWord = regexp.MustCompile(`--key ([0-9a-f-]{36})`)

// keyOf is the key under which to send again what was said.
func keyOf(t *testing.T, said string) string {
	t.Helper()
	found := keyWord.FindStringSubmatch(said)
	require.NotNil(t, found, said)
	return found[1]
}

// loses hands requests on to a server, and loses the answers while it is told to.
func loses(t *testing.T, p *petstest.Process, lost func()) (address string, losing *atomic.Bool) {
	t.Helper()
	there, err := url.Parse(p.URL)
	require.NoError(t, err)
	losing = &atomic.Bool{}
	proxy := httputil.NewSingleHostReverseProxy(there)
	proxy.ModifyResponse = func(*http.Response) error {
		if losing.Load() {
			lost()
			panic(http.ErrAbortHandler)
		}
		return nil
	}
	between := httptest.NewServer(proxy)
	t.Cleanup(between.Close)
	return between.URL, losing
}

// plain is a text without its lines.
func plain(text string) string { return strings.Join(strings.Fields(text), " ") }

const withAStart = `{"commands":[
	{"command":"record_deposit","body":{"wallet":"hot","amount":"7"}},
	{"command":"start_bot","body":{"bot":"alpha"}}]}`

// "After every partial, lost or interrupted batch the key is printed to send it again with",
// and what was done is not done again: also where the file starts a bot, which a stop that
// came meanwhile forbids.
func TestALostBatchIsSentAgainUnderItsKey(t *testing.T) {
	t.Parallel()
	s, p := traded(t)
	address, losing := loses(t, p, func() {})
	losing.Store(true)
	file := s.File("start.json", withAStart)
	r := s.Run("--server", address, "batch", file)
	require.Equal(t, 1, r.Code, r.Out)
	require.Contains(t, r.Err, "sent once, and not again by itself")
	key := keyOf(t, r.Err)
	s.Ok("stop", "alpha", "--reason", "it lies")
	r = s.Run("batch", file, "--key", key)
	require.Equal(t, 0, r.Code, r.Err)
	require.Contains(t, plain(r.Out), "2 of 2 are done (2 of them were already recorded under this key; nothing was done again)")
	require.Len(t, s.EventsOf("deposit.recorded"), 2)
	require.Len(t, s.EventsOf("bot.started"), 1, "the stop stands")
}

// "Interrupted" says that it may have been recorded, and how to send it again.
func TestAnInterruptedBatchIsSentAgainUnderItsKey(t *testing.T) {
	t.Parallel()
	s, p := traded(t)
	ctx, interrupt := context.WithCancel(t.Context())
	address, losing := loses(t, p, interrupt)
	losing.Store(true)
	file := s.File("start.json", withAStart)
	other := *s
	other.Ctx = ctx
	r := other.Run("--server", address, "batch", file)
	require.Equal(t, 1, r.Code, r.Out)
	require.Contains(t, r.Err, "it may have been recorded; to send it again safely, add --key ")
	require.Equal(t, 0, s.Run("batch", file, "--key", keyOf(t, r.Err)).Code)
	require.Len(t, s.EventsOf("deposit.recorded"), 2)
}

// A batch of which something was refused says the key, in text and in JSON: corrected and
// sent again, what was done is answered from the records. What was done and then changed is
// refused by itself; a file that lacks a command is not sent.
func TestABatchInPartIsSentAgainUnderItsKey(t *testing.T) {
	t.Parallel()
	s, _ := traded(t)
	const deposit, fee = `{"command":"record_deposit","body":{"wallet":"hot","amount":"7"}}`, `{"command":"record_fee","body":{"amount":"1","kind":"gas"}}`
	allocate := func(to string) string {
		return `{"command":"allocate_capital","body":{"bot":"` + to + `","amount":"1"}}`
	}
	batch := func(all ...string) string { return s.File("batch.json", `{"commands":[`+strings.Join(all, ",")+`]}`) }

	r := s.Run("batch", batch(allocate("alhpa"), deposit, fee))
	require.Equal(t, 1, r.Code)
	require.Contains(t, r.Out, "2 of 3 are done")
	key := keyOf(t, r.Err)

	r = s.Run("batch", batch(deposit, fee), "--key", key) // the first one taken out: the others would come under its key
	require.Equal(t, 2, r.Code, r.Out)
	require.Contains(t, r.Err, "was made for a file of 3 commands, and this one has 2")
	require.NotContains(t, r.Err, "acting on")

	r = s.Run("batch", batch(allocate("alpha"), strings.ReplaceAll(deposit, "7", "8"), fee), "--key", key)
	require.Equal(t, 1, r.Code)
	require.Contains(t, r.Out, "2  record_deposit  REFUSED: ")
	require.Contains(t, plain(r.Out), "it was done under this key as it stood in the file then")
	require.Contains(t, r.Out, "2 of 3 are done (1 of them")

	require.Contains(t, s.Ok("batch", batch(allocate("alpha"), deposit, fee), "--key", key), "3 of 3 are done")
	require.Len(t, s.EventsOf("deposit.recorded"), 2)
	require.Len(t, s.EventsOf("fee.recorded"), 1)
	require.Len(t, s.EventsOf("bot.capital_allocated"), 2, "one with the bot")

	r = s.Run("batch", batch(allocate("nobody"), deposit), "--json")
	require.Equal(t, 1, r.Code)
	var v struct{ Key string }
	petstest.ReadJSON(t, r.Out, &v)
	require.Equal(t, keyOf(t, r.Err), v.Key)
}

// "What a file has and nobody reads is refused", as the API does: nothing goes to another
// portfolio, or under another key, than the file says.
func TestABatchIsReadStrictly(t *testing.T) {
	t.Parallel()
	s, _ := traded(t)
	for text, want := range map[string]string{
		`{"portfolio":"c1","commands":[{"command":"record_fee","body":{"amount":"1","kind":"gas"}}]}`:                             "portfolio is not a field of this request",
		`{"commands":[{"key":"5d0ea9f4-97e9-4e9b-a1a0-2d1d3b7c1c4e","command":"record_fee","body":{"amount":"1","kind":"gas"}}]}`: "commands[0].key is not a field of this request; did you mean idempotency_key?",
		`{"commands":[],"commands":[{"command":"record_fee","body":{"amount":"1","kind":"gas"}}]}`:                                "body has a field twice",
		`{"commands":[{"command":"record_fee","command":"record_deposit","body":{"amount":"1"}}]}`:                                "body has a field twice",
		`{"commands":[{"command":"record_fee"}]}`:                                                                                 "commands[0].body is missing",
		`{"commands":[]}`: "commands is empty",
	} {
		r := s.Run("batch", s.File("batch.json", text))
		require.Equal(t, 2, r.Code, "%s: %s", text, r.Out)
		require.Contains(t, r.Err, "batch.json: "+want)
		require.NotContains(t, r.Err, "--key")
	}
	require.Empty(t, s.EventsOf("fee.recorded"))
}

// Where nothing was sent, there is nothing to send again.
func TestWhatWasNotSentNeedsNoKey(t *testing.T) {
	t.Parallel()
	s, _ := traded(t)
	for _, args := range [][]string{{"batch", "nosuchfile.json"}, {"sign", "--permit", "p1", "nosuchfile.json"}} {
		r := s.Run(args...)
		require.NotEqual(t, 0, r.Code)
		require.Contains(t, r.Err, "no such file")
		require.NotContains(t, r.Err, "--key")
	}
}

// "A replay under --key does not read like a new success", and a first success under a key
// does not read like a replay, also where its answer was lost on the way.
func TestAReplayIsNoNewSuccess(t *testing.T) {
	t.Parallel()
	s, p := traded(t)
	s.Ok("start", "alpha")
	const key, other = "5d0ea9f4-97e9-4e9b-a1a0-2d1d3b7c1c4e", "6d0ea9f4-97e9-4e9b-a1a0-2d1d3b7c1c4e"
	order := []string{"permit", "ask", "--bot", "alpha", "--market", "m", "--outcome", "YES", "--side", "buy", "--quantity", "10", "--limit-price", "0.5"}
	for i, args := range [][]string{{"deposit", "5", "--key", key}, append(order, "--key", other)} {
		require.NotContains(t, s.Ok(args...), "already recorded")
		require.Contains(t, s.Ok(args...), "already recorded at revision ", "%d", i)
		var v struct{ Replayed bool }
		s.JSON(&v, args...)
		require.True(t, v.Replayed)
	}
	address, losing := loses(t, p, func() {})
	losing.Store(true)
	time.AfterFunc(100*time.Millisecond, func() { losing.Store(false) })
	r := s.RunWith(func(a *cli.App) { a.Patience = time.Minute }, "--server", address, "deposit", "6")
	require.Equal(t, 0, r.Code, r.Err)
	require.NotContains(t, r.Out, "already recorded")
	require.Len(t, s.EventsOf("deposit.recorded"), 3)
}

// A batch does not say of a denial, or of what changed nothing, that it was done.
func TestABatchSaysWhatChangedNothing(t *testing.T) {
	t.Parallel()
	s, _ := traded(t)
	s.Ok("market", "add", "m", "--outcomes", "YES,NO")
	r := s.Run("batch", s.File("batch.json", `{"commands":[
		{"command":"register_market","body":{"market":"m","kind":"outcome","outcomes":["YES","NO"]}},
		{"command":"ask_permit","body":{"bot":"alpha","market":"m","outcome":"YES","side":"buy","quantity":"1","limit_price":"0.5"}}]}`))
	require.Equal(t, 1, r.Code)
	require.Contains(t, r.Out, "2  ask_permit  DENIED")
	require.Contains(t, plain(r.Out), "; 1 of them changed nothing: pets events --type command -p main says why")
	require.Contains(t, r.Err, "1 are denied: place no order for them")
}
