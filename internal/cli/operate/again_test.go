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

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/internal/cli"
	"pets/internal/pets/petstest"
)

// traded is a server with a portfolio that has a bot.
func traded(t *testing.T) (*petstest.Shell, *petstest.Process) {
	t.Helper()
	return tradedIn(t, func(s *petstest.Shell) { s.Ok("portfolio", "open", "main", "--limit", "blocked_zones=none") })
}

// tradedBefore is traded in a portfolio of the first edition of the rules.
func tradedBefore(t *testing.T) (*petstest.Shell, *petstest.Process) {
	t.Helper()
	return tradedIn(t, nil)
}

func tradedIn(t *testing.T, opened func(*petstest.Shell)) (*petstest.Shell, *petstest.Process) {
	t.Helper()
	s := petstest.New(t)
	if opened == nil {
		petstest.FirstEdition(t, s.Store(), time.Time{}, func(p *domain.Policy) { p.BlockedZones = nil })
	}
	p := petstest.ServeFolder(t, s.Store())
	s.Env = append(s.Env, "PETS_SERVER="+p.URL, "PETS_KEY="+petstest.AdminKey)
	if opened != nil {
		opened(s)
	}
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

// withKey is a command with an idempotency_key of its own.
func withKey(key, command string) string {
	return strings.Replace(command, "{", `{"idempotency_key":"`+key+`",`, 1)
}

const deposit7 = `{"command":"record_deposit","body":{"wallet":"hot","amount":"7"}}`

var deposit8 = strings.ReplaceAll(deposit7, "7", "8")

const withAStart = `{"commands":[` + deposit7 + `,{"command":"start_bot","body":{"bot":"alpha"}}]}`

// batchOf is a file of these commands.
func batchOf(s *petstest.Shell, all ...string) string {
	return s.File("batch.json", `{"commands":[`+strings.Join(all, ",")+`]}`)
}

// "After every partial, lost or interrupted batch the key is printed to send it again with",
// "as the same user", and what was done is not done again.
func TestALostBatchIsSentAgainUnderItsKey(t *testing.T) {
	t.Parallel()
	s, p := traded(t)
	address, losing := loses(t, p, func() {})
	losing.Store(true)
	r := s.RunWith(func(a *cli.App) { a.Patience, a.Within = time.Second, time.Second }, "--server", address, "batch", batchOf(s, deposit7, deposit8))
	require.Equal(t, 1, r.Code, r.Out)
	require.Contains(t, r.Err, "to send it again safely, add --key ")
	require.Contains(t, r.Err, ", as the same user")
	key := keyOf(t, r.Err)
	require.Contains(t, plain(s.Ok("batch", batchOf(s, deposit8, deposit7), "--key", key)), "2 of 2 are done (2 of them were already recorded under this key; nothing was done again)")
	require.Len(t, s.EventsOf("deposit.recorded"), 3)
}

// "A batch that starts bots is not sent again as it is": nobody knows whether somebody has
// stopped them since, and a server that was started anew does not either. It says to look
// first, once, and what to send.
func TestABatchThatStartsIsNotSentAgain(t *testing.T) {
	for name, how := range map[string]func(lost func()) func(){
		"lost": func(func()) func() { return func() {} }, "interrupted": func(interrupt func()) func() { return interrupt },
	} {
		t.Run(name, func(t *testing.T) {
			s, p := traded(t)
			ctx, interrupt := context.WithCancel(t.Context())
			defer interrupt()
			address, losing := loses(t, p, how(interrupt))
			losing.Store(true)
			file := s.File("start.json", withAStart)
			other := *s
			other.Ctx = ctx
			r := other.Run("--server", address, "batch", file)
			require.Equal(t, 1, r.Code, r.Out)
			require.Contains(t, plain(r.Err), "it may have been recorded; look whether somebody has stopped its bots: pets state")
			require.NotContains(t, r.Err, "safely")
			key := keyOf(t, r.Err)
			s.Ok("stop", "alpha", "--reason", "it lies")
			r = s.Run("batch", file, "--key", key)
			require.Equal(t, 2, r.Code, r.Out)
			require.Contains(t, plain(r.Err), "lets trading go on (start_bot, its command 2)")
			require.Len(t, s.EventsOf("bot.started"), 1, "the stop stands")
			require.Contains(t, plain(s.Ok("batch", batchOf(s, deposit7), "--key", key)), "1 of 1 are done (1 of them were already recorded")
			require.Len(t, s.EventsOf("deposit.recorded"), 2)
		})
	}
}

// A batch of which something was refused says the key, in text and in JSON: corrected and
// sent again, what was done is answered from the records.
func TestABatchInPartIsSentAgainUnderItsKey(t *testing.T) {
	t.Parallel()
	s, _ := traded(t)
	const fee = `{"command":"record_fee","body":{"amount":"1","kind":"gas"}}`
	allocate := func(to string) string {
		return `{"command":"allocate_capital","body":{"bot":"` + to + `","amount":"1"}}`
	}
	r := s.Run("batch", batchOf(s, allocate("alhpa"), deposit7, fee))
	require.Equal(t, 1, r.Code)
	require.Contains(t, r.Out, "2 of 3 are done")
	key := keyOf(t, r.Err)
	require.Contains(t, plain(r.Err), "as the same user, with --key")
	require.Contains(t, plain(s.Ok("batch", batchOf(s, allocate("alpha"), deposit7, fee), "--key", key)), "3 of 3 are done (2 of them")
	require.Len(t, s.EventsOf("deposit.recorded"), 2)
	require.Len(t, s.EventsOf("fee.recorded"), 1)
	require.Len(t, s.EventsOf("bot.capital_allocated"), 2, "one with the bot")

	r = s.Run("batch", batchOf(s, allocate("nobody"), deposit7), "--json")
	require.Equal(t, 1, r.Code)
	var v struct{ Key string }
	petstest.ReadJSON(t, r.Out, &v)
	require.Equal(t, keyOf(t, r.Err), v.Key)
}

// "A command that says what it said happens once, wherever it stands in the file", under any key:
// a row is taken out, the rows are put into another order, and one is written otherwise. "One
// that was done and then changed is another command, and happens as well."
func TestARowHappensOnceWhereverItStands(t *testing.T) {
	const bad, withdraw = `{"command":"allocate_capital","body":{"bot":"nobody","amount":"1"}}`, `{"command":"record_withdrawal","body":{"wallet":"hot","amount":"3"}}`
	const own, other = "5d0ea9f4-97e9-4e9b-a1a0-2d1d3b7c1c4e", "6d0ea9f4-97e9-4e9b-a1a0-2d1d3b7c1c4e"
	keyed := withKey(other, deposit8)
	for name, given := range map[string][]string{"a key of the user": {"--key", own}, "a key that pets made": nil} {
		t.Run(name, func(t *testing.T) {
			s, _ := traded(t)
			r := s.Run(append([]string{"batch", batchOf(s, bad, deposit7, withdraw, keyed)}, given...)...)
			require.Equal(t, 1, r.Code)
			key := keyOf(t, r.Err)
			s.Ok("batch", batchOf(s, keyed, withdraw, deposit7), "--key", key)
			s.Ok("batch", batchOf(s, withdraw, deposit7, strings.ReplaceAll(bad, "nobody", "alpha"), keyed), "--key", key)
			s.Ok("batch", batchOf(s, `{"body":{"amount":"7.0", "wallet":"hot"}, "command":"record_deposit"}`), "--key", key)
			require.Len(t, s.EventsOf("deposit.recorded"), 3, "the first, and these two")
			require.Len(t, s.EventsOf("withdrawal.recorded"), 1)
			s.Ok("batch", batchOf(s, strings.ReplaceAll(deposit7, "7", "9")), "--key", key)
			require.Len(t, s.EventsOf("deposit.recorded"), 4, "a row that is changed is another")
			r = s.Run("batch", batchOf(s, strings.ReplaceAll(keyed, `"8"`, `"10"`)), "--key", key)
			require.Contains(t, plain(r.Out), "something else was done under its key, and stays so; if this is to happen as well, give it another idempotency_key")
			require.Contains(t, plain(r.Err), "what was done and is changed happens as well, or is refused if it has an idempotency_key of its own")
			require.Len(t, s.EventsOf("deposit.recorded"), 4)
		})
	}
}

// "A file with two commands that say the same is refused before anything is sent, unless each has
// an idempotency_key of its own": the first allocation is refused, the second is done, and the
// first is corrected; the second is not to be taken for the first, and done again.
func TestTwoRowsThatSayTheSameHaveKeysOfTheirOwn(t *testing.T) {
	t.Parallel()
	const first, second = "5d0ea9f4-97e9-4e9b-a1a0-2d1d3b7c1c4e", "6d0ea9f4-97e9-4e9b-a1a0-2d1d3b7c1c4e"
	const allocate = `{"command":"allocate_capital","body":{"bot":"alpha","amount":"12000"}}`
	deposit := strings.ReplaceAll(deposit7, `"7"`, `"9000"`)
	s, _ := traded(t)
	for name, c := range map[string]struct {
		rows []string
		key  []string
		want string
	}{
		"none has a key":      {[]string{allocate, deposit, allocate}, nil, "has commands 1 and 3 that say the same; give each an idempotency_key of its own, so that sending the file again does each once"},
		"written otherwise":   {[]string{allocate, deposit, strings.ReplaceAll(allocate, "12000", "12000.0")}, nil, "has commands 1 and 3 that say the same; give each"},
		"the first has none":  {[]string{allocate, withKey(second, allocate)}, nil, "has commands 1 and 2 that say the same; give each"},
		"the second has none": {[]string{withKey(first, allocate), allocate}, nil, "has commands 1 and 2 that say the same; give each"},
		"under a key":         {[]string{allocate, deposit, allocate}, []string{"--key", first}, "--key does not tell which of them was done: look (pets events -p main), take out of the file what was done, and give each that is still to happen an idempotency_key of its own"},
	} {
		r := s.Run(append([]string{"batch", batchOf(s, c.rows...)}, c.key...)...)
		require.Equal(t, 2, r.Code, name)
		require.Contains(t, plain(r.Err), c.want, name)
	}
	require.Len(t, s.EventsOf("deposit.recorded"), 1, "nothing was sent")

	r := s.Run("batch", batchOf(s, withKey(first, allocate), deposit, withKey(second, allocate)))
	require.Equal(t, 1, r.Code)
	require.Contains(t, r.Out, "2 of 3 are done")
	key := keyOf(t, r.Err)
	corrected := withKey(first, strings.ReplaceAll(allocate, "12000", "1200"))
	require.Contains(t, plain(s.Ok("batch", batchOf(s, corrected, deposit, withKey(second, allocate)), "--key", key)), "3 of 3 are done (2 of them")
	require.Len(t, s.EventsOf("bot.capital_allocated"), 3, "one with the bot, and these two")
	require.Len(t, s.EventsOf("deposit.recorded"), 2)
}

// "Stops may stand there twice": no stop waits for the mending of a file.
func TestStopsMayStandInAFileTwice(t *testing.T) {
	t.Parallel()
	s, _ := traded(t)
	s.Ok("start", "alpha")
	const stop = `{"command":"stop_bot","body":{"bot":"alpha","reason":"it lies"}}`
	require.Contains(t, s.Ok("batch", batchOf(s, stop, deposit7, stop)), "3 of 3 are done")
	require.Len(t, s.EventsOf("bot.stopped"), 1)
}

// What an older version sent under a key that it made is found: its commands had their keys by
// their places, and the key says of how many commands the file was. A file with a start cannot
// be sent again under it, as it is or without the start, and both say what is possible.
func TestAKeyOfAnOlderVersionIsKnown(t *testing.T) {
	s, _ := traded(t)
	const key = "5d0ea9f4-97e9-8e9b-a1a0-2d1d3b7c0002"
	s.Ok("batch", batchOf(s, withKey(uuid.NewSHA1(uuid.MustParse(key), []byte("0")).String(), deposit7)))
	require.Contains(t, plain(s.Ok("batch", batchOf(s, deposit7, deposit7), "--key", key)), "2 of 2 are done (1 of them were already recorded")
	r := s.Run("batch", batchOf(s, deposit8, deposit7), "--key", key)
	require.Equal(t, 1, r.Code)
	require.Contains(t, r.Out, "1  record_deposit  REFUSED")
	require.Contains(t, plain(r.Err), "each command in its place: what was done is not done again; what was done and is changed is refused")
	require.NotContains(t, r.Err, "happens as well")

	const rest = "send the rest without --key"
	r = s.Run("batch", batchOf(s, deposit7), "--key", key)
	require.Equal(t, 2, r.Code)
	require.Contains(t, plain(r.Err), "was made by an older version for a file of 2 commands, and this one has 1")
	require.Contains(t, plain(r.Err), "look what was done (pets events -p main), take that out as well, and "+rest)
	r = s.Run("batch", s.File("start.json", withAStart), "--key", key)
	require.Equal(t, 2, r.Code)
	require.Contains(t, plain(r.Err), "lets trading go on (start_bot, its command 2), and --key was made by an older version")
	require.Contains(t, plain(r.Err), "take that and what lets trading go on out of the file, and "+rest)
	require.NotContains(t, r.Err, "send the rest with --key")
	require.Len(t, s.EventsOf("deposit.recorded"), 3)
	require.Empty(t, s.EventsOf("bot.started"))
}

// "Each happens once under a key of its own": a file that has one twice is not sent.
func TestAFileHasNoKeyTwice(t *testing.T) {
	s, _ := traded(t)
	const key = "5d0ea9f4-97e9-4e9b-a1a0-2d1d3b7c1c4e"
	r := s.Run("batch", batchOf(s, withKey(key, deposit7), deposit7, withKey(strings.ToUpper(key), deposit7)))
	require.Equal(t, 2, r.Code)
	require.Contains(t, r.Err, "has one idempotency_key twice, in its commands 1 and 3")
	require.Len(t, s.EventsOf("deposit.recorded"), 1)
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
