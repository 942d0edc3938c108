package operate_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/internal/pets/petstest"
)

// second is a served portfolio that lives by the second edition of the rules, with two bots and
// an exclusive market of two outcomes, rain, and one of three, cup.
func second(t *testing.T, limits ...string) (*petstest.Shell, *petstest.Process) {
	t.Helper()
	s := petstest.New(t)
	p := petstest.ServeFolder(t, s.Store())
	s.Env = append(s.Env, "PETS_SERVER="+p.URL, "PETS_KEY="+petstest.AdminKey, "COLUMNS=120")
	open := []string{"portfolio", "open", "main", "--limit", "blocked_zones=none", "--limit", "rules=2"}
	for _, l := range limits {
		open = append(open, "--limit", l)
	}
	s.Ok(open...)
	s.Ok("deposit", "10000")
	for _, bot := range []string{"alpha", "beta"} {
		s.Ok("bot", "add", bot, "--capital", "1000")
		s.Ok("start", bot)
	}
	s.Ok("market", "add", "rain", "--outcomes", "YES,NO")
	s.Ok("market", "register", "cup", "--outcomes", "A,B,C")
	return s, p
}

// bought is a fill of a bot, as an operator types it.
func bought(bot, market, outcome, quantity, price, id string, rest ...string) []string {
	return append([]string{"fill", "--bot", bot, "--market", market, "--outcome", outcome, "--side", "buy", "--quantity", quantity, "--price", price, "--trade-id", id}, rest...)
}

// squeezed is a text without its columns.
func squeezed(text string) string { return strings.Join(strings.Fields(text), " ") }

// "Settlement is of a market: POST …/settlements {market, payouts:{YES:"1",NO:"0"}} names every
// outcome of a registered market"; the answer says who got what, what the result came to, and
// the streak.
func TestAMarketIsSettledAsAWhole(t *testing.T) {
	t.Parallel()
	s, _ := second(t)
	s.Ok(bought("alpha", "rain", "YES", "100", "0.4", "v-1")...)
	s.Ok(bought("alpha", "rain", "NO", "40", "0.5", "v-2")...)
	s.Ok(bought("beta", "rain", "NO", "10", "0.6", "v-3")...)
	s.Fails(1, []string{`--payouts do not name the outcome "NO"`}, "settle", "rain", "--payouts", "YES=1")
	s.Fails(1, []string{`--payouts name "MAYBE", which is no outcome of the market`, "name YES, NO"}, "settle", "rain", "--payouts", "YES=1,NO=0,MAYBE=0")
	s.Fails(1, []string{`--payouts of "YES" is 2`}, "settle", "rain", "--payouts", "YES=2,NO=0")
	out := squeezed(s.Ok("settle", "rain", "--payouts", "YES=1, NO=0"))
	require.Contains(t, out, "rain is settled: YES pays 1, NO pays 0 (revision ")
	require.Regexp(t, `BOT HELD GOT P&L RESULT STREAK TRADES alpha 100 YES, 40 NO 100 40 win 0 t\d+,t\d+ beta 10 NO 0 -6 loss 1 t\d+`, out)
	require.Contains(t, squeezed(s.Ok("settle", "rain", "--payouts", "NO=0,YES=1")), "nothing has changed (unchanged): the market is already settled like this, and no bot holds it")
	require.Contains(t, squeezed(s.Run("settle", "rain", "--payouts", "NO=1,YES=0").Err), "pets correct MARKET --payouts OUTCOME=N --reason TEXT -p main")
}

// "In an exclusive market payouts sum to 1 (payouts_sum; another sum takes two people, override
// payouts)": the command that asks for it is printed, and is taken as it is printed.
func TestPayoutsThatDoNotSumToOneSayWhatToType(t *testing.T) {
	t.Parallel()
	s, p := second(t)
	s.Ok(bought("alpha", "rain", "YES", "100", "0.4", "v-1")...)
	r := s.Run("settle", "rain", "--payouts", "YES=0.5,NO=0.4")
	require.Equal(t, 1, r.Code)
	require.Contains(t, squeezed(r.Err), "--payouts of an exclusive market sum to 1, and these to 0.9; another sum takes two people: pets override request payouts market=rain YES=0.5 NO=0.4 --reason \"…\" -p main")
	typed := printed(t, squeezed(r.Err), "two people: ", "(\n")
	asked := s.Ok(typed...)
	bob := petstest.SecretPattern.FindString(s.Ok("apikey", "issue", "--user", "bob", "--role", "approver"))
	r = p.Pets(s.Store(), bob, "override", "confirm", overrideID.FindString(asked))
	require.Equal(t, 0, r.Code, r.Err)
	require.Contains(t, squeezed(s.Ok("trades")), "rain/YES 100 10 win", "100 × (0.5 − 0.4)")
}

// "The form with one outcome stays: in an exclusive market registered with two it settles both;
// with more, it takes 0 or 1". What that closes counts with the bot's next result in the market.
func TestOneOutcomeIsSettledAsBefore(t *testing.T) {
	t.Parallel()
	s, _ := second(t)
	s.Ok(bought("alpha", "rain", "NO", "100", "0.4", "v-1")...)
	require.Contains(t, squeezed(s.Ok("settle", "rain", "YES", "1")), "rain is settled: YES pays 1, NO pays 0")
	s.Ok(bought("alpha", "cup", "A", "100", "0.2", "v-2")...)
	s.Ok(bought("alpha", "cup", "B", "100", "0.3", "v-3")...)
	s.Fails(1, []string{"PAYOUT of one outcome is 0 or 1"}, "settle", "cup", "A", "0.5")
	out := squeezed(s.Ok("settle", "cup", "A", "0"))
	require.Contains(t, out, "cup is settled: A pays 0 (revision ")
	require.Contains(t, out, "alpha 100 A 0 -20 later 1 ")
	require.Contains(t, out, "later: alpha still holds something of the market, and its P&L here counts with its next result there")
	require.Contains(t, squeezed(s.Ok("settle", "cup", "--payouts", "B=1,C=0")), "alpha 100 B 100 50 win 0 ", "−20 and 70 are one result")
	require.Regexp(t, `70  win \(r\d+\)`, s.Ok("trades"))
}

// "{market, void:true} gives every holder his cost back (P&L as it is; the result is neutral)".
func TestAVoidMarketGivesTheCostBack(t *testing.T) {
	t.Parallel()
	s, _ := second(t)
	s.Ok(bought("alpha", "rain", "YES", "100", "0.4", "v-1", "--fee", "1")...)
	out := squeezed(s.Ok("settle", "rain", "--void"))
	require.Contains(t, out, "rain is settled: void, every holder has the cost back (revision ")
	require.Contains(t, out, "alpha 100 YES 40 -1 neutral 0 ")
	require.Contains(t, squeezed(s.Ok("settle", "cup", "--void")), "cup: nobody holds it: nothing was paid")
	r := s.Run("settle", "rain", "--void", "--json")
	require.Equal(t, 0, r.Code, r.Err)
}

// Bad input says what to type instead, before anything is sent.
func TestWhatASettlementMustSay(t *testing.T) {
	t.Parallel()
	s := petstest.New(t)
	for want, args := range map[string][]string{
		"say what rain pays: --payouts YES=1,NO=0":            {"settle", "rain"},
		"or OUTCOME PAYOUT for one":                           {"settle", "rain", "YES"},
		"YES is one word too many":                            {"settle", "rain", "YES", "1", "--void"},
		"1 is one word too many":                              {"settle", "rain", "1", "--payouts", "YES=1"},
		"--void gives every holder the cost back":             {"settle", "rain", "--void", "--payouts", "YES=1"},
		"--payouts YES must be OUTCOME=N, such as YES=1":      {"settle", "rain", "--payouts", "YES"},
		"--payouts YES must be a plain decimal number":        {"settle", "rain", "--payouts", "YES=all"},
		"--payouts YES is given twice":                        {"settle", "rain", "--payouts", "YES=1,YES=0"},
		"PAYOUT must be a plain decimal number":               {"settle", "rain", "YES", "x"},
		"--payouts or --void is needed, one of the two":       {"correct", "rain", "--reason", "x"},
		"--reason is needed":                                  {"correct", "rain", "--void"},
		"--set-id is needed; see pets sets split --help":      {"sets", "split", "--bot", "a", "--market", "m", "--quantity", "1"},
		"--flow and --of REVISION go together":                {"adjust", "hot:treasury", "--add", "1", "--flow", "--reason", "x"},
		"must be an RFC 3339 time, such as 2026-03-01T18:00:": {"permit", "place", "p1", "--expires-at", "soon"},
	} {
		r := s.Run(args...)
		require.Equal(t, 2, r.Code, "%v: %s", args, r.Err)
		require.Contains(t, squeezed(r.Err), want, args)
	}
}

// "Correction: … each trade that settlement closed changes by its quantity × the difference …; it
// may trip, it never untrips".
func TestASettlementIsCorrected(t *testing.T) {
	t.Parallel()
	s, _ := second(t, "max_consecutive_losses=1")
	s.Fails(1, []string{"MARKET is not settled, so there is nothing to correct: pets settle MARKET --payouts OUTCOME=N -p main"}, "correct", "rain", "--payouts", "YES=1,NO=0", "--reason", "x")
	s.Ok(bought("alpha", "rain", "YES", "100", "0.4", "v-1")...)
	s.Ok(bought("beta", "rain", "NO", "100", "0.6", "v-2", "--fee=-0.5")...)
	s.Ok("settle", "rain", "--payouts", "YES=1,NO=0")
	r := s.Run("correct", "rain", "--payouts", "YES=0.3,NO=0.3", "--reason", "x")
	require.Contains(t, squeezed(r.Err), "--payouts of an exclusive market sum to 1")
	out := squeezed(s.Ok("correct", "rain", "--payouts", "YES=0,NO=1", "--reason", "the venue changed its answer"))
	require.Contains(t, out, "rain is corrected: NO pays 1, YES pays 0 (revision ")
	require.Regexp(t, `BOT P&L BEFORE P&L STREAK TRADES alpha 60 -40 1 t\d+ beta -59.5 40.5 0 t\d+`, out)
	require.Contains(t, out, "TRIPPED consecutive_losses of alpha at 1, limit 1", "it may trip")
	require.Contains(t, out, "pets state -p main")
	require.Contains(t, squeezed(s.Ok("correct", "rain", "--payouts", "YES=0,NO=1", "--reason", "again")), "nothing has changed (unchanged): the market is already settled like this")
	require.Contains(t, squeezed(s.Ok("correct", "rain", "--void", "--rebase", "--reason", "cancelled")), "rain is corrected: void, every holder has the cost back; losses are measured from the equity after it")
}

// "Sets: POST …/sets …, only of what it holds (else 409 not_held: report the fills first). Split:
// cash −q, q of each outcome at the share of q that its mark has among all".
func TestSetsAreSplitAndMerged(t *testing.T) {
	t.Parallel()
	s, _ := second(t)
	s.Ok("batch", batchOf(s, `{"command":"mark_prices","body":{"marks":[{"market":"rain","outcome":"YES","price":"0.3"},{"market":"rain","outcome":"NO","price":"0.7"}]}}`))
	sets := func(action, quantity, id string) []string {
		return []string{"sets", action, "--bot", "alpha", "--market", "rain", "--quantity", quantity, "--set-id", id}
	}
	require.Contains(t, squeezed(s.Ok(append(sets("split", "100", "s-1"), "--fee", "0.2")...)),
		"s-1: alpha has split 100 into 100 of each outcome of rain, fee 0.2: YES at a cost of 30, NO at a cost of 70 (revision ")
	require.Contains(t, squeezed(s.Ok(append(sets("split", "100", "s-1"), "--fee", "0.2")...)), "nothing has changed (duplicate)")
	s.Fails(1, []string{"--set-id is already recorded with different content"}, sets("split", "99", "s-1")...)
	require.Contains(t, squeezed(s.Ok(sets("merge", "40", "s-2")...)), "s-2: alpha has merged 40 of each outcome of rain into 40: YES for 12, NO for 28 (revision ")
	s.Fails(1, []string{"--quantity is more than the 60 × YES that the bot holds; report its fills first"}, sets("merge", "61", "s-3")...)
	s.Fails(1, []string{"MARKET is not settled, so there is nothing to correct"}, "correct", "other", "--void", "--reason", "x")
	s.Fails(1, []string{"--market is not registered as exclusive, so it has no complete sets"}, "sets", "split", "--bot", "alpha", "--market", "other", "--quantity", "1", "--set-id", "s-4")
}

// A batch says of a settlement what it would say by itself, also where the answer is short.
func TestABatchReadsASettlementOfAMarket(t *testing.T) {
	t.Parallel()
	s, _ := second(t)
	out := s.Ok("batch", batchOf(s, `{"command":"settle_market","body":{"market":"rain","payouts":{"YES":"1","NO":"0"}}}`, `{"command":"settle_market","body":{"market":"cup","outcome":"A","payout":"1"}}`))
	require.Contains(t, out, "rain: nobody holds it: nothing was paid")
	require.Contains(t, out, "cup: nobody holds it: nothing was paid")
	require.NotContains(t, out, "not looked at")
}

// "exclusive:false" is typed, and what a market is stands in its answer and in the list.
func TestAMarketSaysWhetherItIsExclusive(t *testing.T) {
	t.Parallel()
	s, _ := second(t)
	require.Contains(t, squeezed(s.Ok("market", "add", "wet", "--outcomes", "YES,NO")), "market wet is registered, kind outcome, exclusive: one share of each outcome pays 1 together")
	require.NotContains(t, s.Ok("market", "add", "scores", "--outcomes", "ANN,BOB", "--exclusive=false"), "pays 1 together")
	list := squeezed(s.Ok("market", "list"))
	require.Contains(t, list, "rain exclusive YES,NO")
	require.Contains(t, list, "scores outcome ANN,BOB")
	s.Ok("mark", "late", "YES", "0.5")
	s.Ok("mark", "late", "NO", "0.7")
	s.Ok(bought("alpha", "late", "YES", "10", "0.5", "v-1")...)
	s.Ok(bought("alpha", "late", "NO", "10", "0.7", "v-2")...)
	require.Contains(t, squeezed(s.Ok("market", "add", "late", "--outcomes", "YES,NO")), "the equity of alpha changes by -2, which counts as a flow and trips nothing")
}

// "Groups: reducing permits of one bot and market with the same group (take-profit and stop)";
// "Time in force: gtc (default), gtd, ioc, fok."
func TestAnOrderIsAskedForWithAGroupAndATimeInForce(t *testing.T) {
	t.Parallel()
	s, _ := second(t)
	s.Ok(bought("alpha", "rain", "YES", "100", "0.4", "v-1")...)
	exit := []string{"permit", "ask", "--bot", "alpha", "--market", "rain", "--outcome", "YES", "--side", "sell", "--quantity", "100", "--reduce-only", "--group", "exit"}
	s.Ok(append(exit, "--limit-price", "0.6", "--time-in-force", "gtc")...)
	s.Ok(append(exit, "--limit-price", "0.2")...)
	s.Ok("permit", "ask", "--bot", "beta", "--market", "cup", "--outcome", "A", "--side", "buy", "--quantity", "10", "--limit-price", "0.3", "--time-in-force", "fok")
	list := squeezed(s.Ok("permits"))
	require.Contains(t, list, "STATUS EXPIRES TERMS")
	require.Equal(t, 2, strings.Count(list, "group exit"), list)
	require.Equal(t, 1, strings.Count(list, "fok"), list)
	s.Fails(1, []string{"--time-in-force "}, "permit", "ask", "--bot", "beta", "--market", "cup", "--outcome", "A", "--side", "buy", "--quantity", "10", "--limit-price", "0.3", "--time-in-force", "day")
}

// "What that closes counts with the bot's next result in the market": it is found also where
// the bot has closed more trades than a server puts into one part of an answer.
func TestASettlementReadsAllParts(t *testing.T) {
	t.Parallel()
	s, p := second(t)
	s.Ok(bought("alpha", "cup", "A", "10", "0.3", "v-1")...)
	s.Ok(bought("alpha", "cup", "B", "10", "0.2", "v-2")...)
	s.Ok(bought("beta", "cup", "B", "10", "0.1", "v-3")...)
	var lines []string
	for i := range 1001 {
		lines = append(lines, fmt.Sprintf(`{"command":"record_trade","body":{"bot":"alpha","market":"m","pnl":"0.001","trade_id":"t-%d"}}`, i))
	}
	s.Ok("batch", batchOf(s, lines[:500]...))
	s.Ok("batch", batchOf(s, lines[500:]...))
	b := standsBetween(t, p)
	parts := 0
	b.asked = func(r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/trades") {
			parts++
		}
	}
	require.Contains(t, squeezed(s.Ok("settle", "cup", "A", "0")), "later: alpha still holds something of the market")
	out := squeezed(s.Ok("--server", b.address, "settle", "cup", "--payouts", "A=0,B=1,C=0"))
	require.Equal(t, 2, parts, "one part has them all: the test shows nothing")
	require.Contains(t, out, "alpha 10 B 10 5 win", "−3 of A and 8 of B")
	require.Contains(t, out, "beta 10 B 10 9 win")
	out = squeezed(s.Ok("correct", "cup", "--void", "--reason", "called off"))
	require.Regexp(t, `alpha 5 0 \d+ t\d+,t\d+`, out)
}
