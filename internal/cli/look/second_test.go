package look_test

import (
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/internal/cli"
	"pets/internal/cli/clitest"
	"pets/internal/pets/petstest"
)

// secondEdition is a served portfolio of the second edition: alpha holds 500 YES and 300 NO of
// rain, and 30 of spot market ETH-USDC.
func secondEdition(t *testing.T, limits ...string) (*petstest.Shell, *petstest.Process) {
	t.Helper()
	s, p := served(t)
	s.Env = append(s.Env, "COLUMNS=120")
	open := []string{"portfolio", "open", "main", "--limit", "blocked_zones=none", "--limit", "rules=2"}
	for _, l := range limits {
		open = append(open, "--limit", l)
	}
	s.Ok(open...)
	s.Ok("deposit", "10000")
	s.Ok("bot", "add", "alpha", "--capital", "1000")
	s.Ok("start", "alpha")
	s.Ok("market", "add", "rain", "--outcomes", "YES,NO")
	for _, f := range [][]string{{"YES", "500", "0.4", "v-1"}, {"NO", "300", "0.5", "v-2"}} {
		s.Ok("fill", "--bot", "alpha", "--market", "rain", "--outcome", f[0], "--side", "buy", "--quantity", f[1], "--price", f[2], "--trade-id", f[3])
	}
	return s, p
}

func squeezed(text string) string { return strings.Join(strings.Fields(text), " ") }

// "state shows, per bot and market, payoff min and max, value, exposure (positions alone do not
// add up to equity)"; a folder shows what its server does.
func TestStateShowsMarketsAsAWhole(t *testing.T) {
	t.Parallel()
	s, p := secondEdition(t)
	s.Ok("mark", "rain", "YES", "0.6")
	const whole = "BOT MARKET COST VALUE PAYS AT LEAST AT MOST EXPOSURE alpha rain 350 420 300 500 120"
	state, positions := s.Ok("state"), s.Ok("positions")
	for _, out := range []string{state, positions} {
		require.Contains(t, squeezed(out), whole, "300 + 200 × .6")
		require.Contains(t, squeezed(out), "the positions alone do not add up to equity")
	}
	require.Contains(t, state, "rules     2\n")
	var v struct {
		Markets []struct {
			Bot, Market string
			PayoffMin   string `json:"payoff_min"`
		}
	}
	s.JSON(&v, "state")
	require.Len(t, v.Markets, 1)
	require.Equal(t, "300", v.Markets[0].PayoffMin)
	require.NoError(t, p.Cmd.Process.Signal(os.Interrupt))
	require.NoError(t, p.Cmd.Wait())
	s.SetEnv("PETS_SERVER", "")
	require.Equal(t, positions, s.Ok("positions"))
	require.Contains(t, squeezed(s.Ok("state")), whole)
}

// "Equity, peaks, day-open, flows and breakers go on with the price in force; state shows both":
// the mark that waits, the one in force, and until when.
func TestStateShowsMarksThatWait(t *testing.T) {
	t.Parallel()
	s, _ := secondEdition(t, "mark_collar=0.25", "mark_confirm_after=1h")
	require.Contains(t, squeezed(s.Ok("mark", "rain", "YES", "0.5")), "rain / YES is marked at 0.5")
	require.Contains(t, squeezed(s.Ok("mark", "rain", "YES", "0.75")), "is marked at 0.75", "at the collar")
	out := squeezed(s.Ok("mark", "rain", "YES", "0.49"))
	require.Contains(t, out, "a mark of rain / YES is recorded")
	require.Contains(t, out, "0.49 of rain / YES WAITS: it is further from the mark in force than mark_collar")
	state := s.Ok("state")
	require.Regexp(t, `WAITS     rain/YES at 0\.49, in force 0\.75, until \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC`, state)
	require.Contains(t, squeezed(state), "denied (mark_unconfirmed)")
	require.Regexp(t, `alpha +rain/YES +500 +200 +0\.75 +175 +0\.49 waits`, s.Ok("positions"))
	require.NotContains(t, s.Run("status").Out, "a mark waits", "its time is not over")
}

// "A mark beyond the collar waits: breakers go on with the price in force". A reset with rebase on
// that price would disarm the day's loss once the mark takes force: while a mark of what is held
// waits, it is said, and --rebase is not printed.
func TestNoRebaseIsPrintedWhileAMarkWaits(t *testing.T) {
	t.Parallel()
	s, _ := secondEdition(t, "mark_collar=0.25", "mark_confirm_after=1h", "max_daily_loss_pct=0.002")
	s.SetEnv("COLUMNS", "300")
	s.Ok("mark", "rain", "YES", "0.3")
	s.Ok("mark", "rain", "YES", "0.1")
	require.Contains(t, s.Ok("state"), "pets reset daily_loss --rebase --reason", "no mark waits")
	s.Ok("mark", "rain", "YES", "0.6")
	state := s.Ok("state")
	require.NotContains(t, state, "--rebase")
	require.Contains(t, squeezed(state), "A mark of what is held waits, and the breaker is measured at the price in force")
	require.Regexp(t, `rain/YES at 0\.6, in force 0\.1, until \d{4}-`, state)
	require.Contains(t, state, "    pets mark rain YES 0.6 ")
	dry := squeezed(s.Ok("reset", "daily_loss", "--rebase", "--dry-run"))
	require.Contains(t, dry, "A mark of what is held waits")
	require.Contains(t, s.Ok("reset", "daily_loss", "--dry-run", "--json"), `"waiting_marks": [`)
	require.NotContains(t, s.Ok("reset", "daily_loss", "--dry-run"), "--rebase")
	require.Contains(t, squeezed(s.Ok("reset", "daily_loss", "--rebase", "--reason", "all the same")), "a mark of what it holds (rain/NO 0.4, rain/YES 0.6) waited")
}

// "Stale is a field of state and positions".
func TestStateShowsStaleMarks(t *testing.T) {
	t.Parallel()
	s, _ := secondEdition(t, "mark_max_age=1ms")
	require.Contains(t, s.Ok("state"), "STALE     rain/YES: no mark for longer than mark_max_age (1ms)")
	require.Regexp(t, `rain/YES .* stale\n`, s.Ok("positions"))
	require.Contains(t, squeezed(s.Run("status").Out), "main: what is held of rain/YES has had no mark for longer than mark_max_age (1ms)")
}

// A dead feed is seen from a folder as from its server: marks go stale although nothing is recorded.
func TestAFolderShowsStaleMarks(t *testing.T) {
	t.Parallel()
	s, p := secondEdition(t, "mark_max_age=1ms")
	s.Ok("mark", "rain", "YES", "0.6") // the last record
	require.NoError(t, p.Cmd.Process.Signal(os.Interrupt))
	require.NoError(t, p.Cmd.Wait())
	s.SetEnv("PETS_SERVER", "")
	require.Contains(t, s.Ok("state"), "STALE     rain/NO, rain/YES")
	require.Regexp(t, `rain/YES .* stale\n`, s.Ok("positions"))
}

// "Every halt directs bots to cancel_orders (the opening ones that rest, by permit)": nobody is told
// to cancel the stop-loss.
func TestNobodyIsToldToCancelWhatReduces(t *testing.T) {
	t.Parallel()
	s, _ := secondEdition(t)
	s.SetEnv("COLUMNS", "200")
	bot := petstest.SecretPattern.FindString(s.Ok("apikey", "issue", "--user", "carl", "--role", "bot", "--bot", "alpha"))
	asks := func(side, quantity, price string) string {
		s.SetEnv("PETS_KEY", bot)
		defer s.SetEnv("PETS_KEY", petstest.AdminKey)
		id := regexp.MustCompile(`p\d+`).FindString(s.Ok("permit", "ask", "--bot", "alpha", "--market", "rain", "--outcome", "YES", "--side", side, "--quantity", quantity, "--limit-price", price))
		s.Ok("permit", "place", id)
		return id
	}
	opens, reduces := asks("buy", "10", "0.3"), asks("sell", "100", "0.2")
	s.Ok("stop", "alpha", "--reason", "odd")
	for _, text := range []string{s.Ok("state"), s.Run("status").Out} {
		require.Contains(t, text, "pets permit release "+opens)
		require.NotContains(t, text, "permit release "+reduces)
	}
	s.Ok("permit", "release", opens)
	require.NotContains(t, s.Run("status").Out, "permit release")
}

// "Several rows the strictest holds": what a halt leaves to a bot and to an operator for it is
// shown, and what an operator types to get to flat is printed, and is permitted as it is printed.
func TestStateShowsTheWayToFlat(t *testing.T) {
	t.Parallel()
	s, _ := secondEdition(t, "while_tripped=nothing")
	s.SetEnv("COLUMNS", "200") // each command in one line
	require.NotContains(t, s.Ok("state"), "HALTED")
	s.Ok("stop", "alpha", "--full", "--reason", "odd")
	out := squeezed(s.Ok("state"))
	require.Contains(t, out, "HALTED alpha: the bot is stopped. The bot may do nothing; an operator may still reduce what it holds")
	require.Regexp(t, `alpha stopped .* nothing \(operator: reduce\)`, squeezed(s.Ok("bot", "list")))
	s.Ok("stop", "--emergency", "--kind", "manual", "--reason", "drill")
	state := s.Ok("state")
	require.Contains(t, squeezed(state), "HALTED alpha: emergency stop (manual), the bot is stopped. The bot may do nothing; an operator may still reduce what it holds")
	require.Contains(t, state, "To close what a halted bot holds")
	require.Contains(t, state, "pets sets merge --bot alpha --market rain --quantity 300 --set-id SET-ID", "complete sets are merged")
	operator := petstest.SecretPattern.FindString(s.Ok("apikey", "issue", "--user", "olga", "--role", "operator"))
	s.SetEnv("PETS_KEY", operator)
	typed := regexp.MustCompile(`(?m)^ +pets (permit ask .*)$`).FindAllStringSubmatch(state, -1)
	require.Len(t, typed, 1, state)
	require.Contains(t, typed[0][1], "--side sell --quantity 200 ", "a permit is for the rest only")
	for _, line := range typed {
		require.Contains(t, line[1], " -p main")
		s.Ok(strings.Fields(strings.Replace(line[1], "PRICE", "0.3", 1))...)
	}
	s.Ok("stop", "--emergency", "--kind", "security_breach", "--reason", "a key leaked")
	state = s.Ok("state")
	require.Contains(t, squeezed(state), "Nothing is permitted to the bot, nor to an operator for it")
	require.NotContains(t, state, "permit ask")
}

// "A person can always stop, and always get out": the printed way to flat leaves out what live orders
// close already, so that they do not sell the same twice, and says how to close it otherwise.
func TestTheWayToFlatLeavesOutWhatIsBeingClosed(t *testing.T) {
	t.Parallel()
	s, _ := secondEdition(t)
	s.SetEnv("COLUMNS", "300")
	keys := map[string]string{
		"bot":      petstest.SecretPattern.FindString(s.Ok("apikey", "issue", "--user", "carl", "--role", "bot", "--bot", "alpha")),
		"operator": petstest.SecretPattern.FindString(s.Ok("apikey", "issue", "--user", "olga", "--role", "operator")),
	}
	sells := func(role, quantity string) string {
		s.SetEnv("PETS_KEY", keys[role])
		defer s.SetEnv("PETS_KEY", petstest.AdminKey)
		return regexp.MustCompile(`p\d+`).FindString(s.Ok("permit", "ask", "--bot", "alpha", "--market", "rain", "--outcome", "YES", "--side", "sell", "--quantity", quantity, "--limit-price", "0.2", "--reduce-only"))
	}
	takes := sells("bot", "150")
	s.Ok("permit", "place", takes)
	s.Ok("stop", "alpha", "--reason", "odd")
	state := s.Ok("state")
	require.Contains(t, state, takes+": alpha may sell 150 × rain/YES at 0.2; it rests at the venue")
	require.Contains(t, squeezed(state), "cancel such an order at the venue first, and release its permit")
	require.Contains(t, state, "--side sell --quantity 50 ")
	out := sells("operator", "200")
	state = s.Ok("state")
	require.Contains(t, state, out+": alpha may sell 200 × rain/YES at 0.2; it is not placed yet, an operator's")
	require.Contains(t, state, "pets permit release "+takes, "nothing is left for it to close")
	require.NotContains(t, state, "permit ask")
	require.Contains(t, squeezed(s.Run("status").Out), "by permit "+out+" an operator closes 200 × rain/YES for alpha")
	s.Ok("permit", "release", takes)
	s.Ok("permit", "release", out)
	require.Contains(t, s.Ok("state"), "--side sell --quantity 200 ")
}

// "A person can always stop, and always get out": who stopped a bot, when and why is said, and how
// it goes on, also when nothing else is stopped. What came late to a settled market is paid out by
// settling it again.
func TestStateSaysWhoStoppedABot(t *testing.T) {
	t.Parallel()
	s, p := secondEdition(t)
	s.SetEnv("COLUMNS", "200")
	s.Ok("settle", "rain", "--payouts", "YES=1,NO=0")
	s.Ok("fill", "--bot", "alpha", "--market", "rain", "--outcome", "YES", "--side", "buy", "--quantity", "50", "--price", "0.4", "--trade-id", "v-3")
	require.NotContains(t, s.Ok("state"), "WHAT TO DO NEXT")
	s.Ok("stop", "alpha", "--full", "--reason", "odd fills")
	says := func() {
		state := s.Ok("state")
		require.Regexp(t, `alpha was stopped by \S+ at \d{4}-\S+ \S+ UTC fully: it may not even reduce\. Why: odd fills`, state)
		require.Contains(t, state, "    pets start alpha")
		if strings.Contains(s.Ok("positions"), "rain/YES") {
			require.Contains(t, state, "    pets settle rain --payouts NO=0,YES=1 ")
			require.NotContains(t, state, "permit ask")
		}
	}
	says()
	require.NoError(t, p.Cmd.Process.Signal(os.Interrupt))
	require.NoError(t, p.Cmd.Wait())
	s.SetEnv("PETS_SERVER", "")
	says()
}

// "A scope sleeps until its equity first reaches min_capital": it is said of a bot, and of the
// portfolio.
func TestStateShowsWhatSleeps(t *testing.T) {
	t.Parallel()
	s, _ := served(t)
	s.Ok("portfolio", "open", "main", "--limit", "rules=2", "--limit", "min_capital=100")
	s.Ok("deposit", "99")
	s.Ok("bot", "add", "alpha", "--capital", "50")
	require.Contains(t, squeezed(s.Ok("state")), "ASLEEP its equity has not reached min_capital (100): no breaker of it is evaluated")
	require.Contains(t, s.Ok("bot", "list"), "registered, asleep")
	s.Ok("deposit", "1")
	require.NotContains(t, s.Ok("state"), "ASLEEP", "at the limit it is awake")
}

// The edition is said, and how the second one is adopted: what changes is shown first, a no
// changes nothing, and nothing leads back.
func TestTheSecondEditionIsAdopted(t *testing.T) {
	t.Parallel()
	s := petstest.New(t)
	petstest.FirstEdition(t, s.Store(), time.Time{})
	p := petstest.ServeFolder(t, s.Store())
	s.Env = append(s.Env, "PETS_SERVER="+p.URL, "PETS_KEY="+petstest.AdminKey)
	require.Contains(t, squeezed(s.Ok("limits")), `pets limits adopt --reason "…" -p main`)
	require.Contains(t, s.Ok("state"), "rules     1, the first edition")
	s.Fails(2, []string{"--reason is needed"}, "limits", "adopt")
	r := s.Run("limits", "adopt", "--reason", "x")
	require.Equal(t, 2, r.Code)
	require.Contains(t, r.Err, "there is no terminal to ask at: add --yes")
	r = s.RunWith(func(a *cli.App) { a.Ask = func(string) (bool, bool) { return false, true } }, "limits", "adopt", "--reason", "x")
	require.Equal(t, 1, r.Code)
	require.Contains(t, r.Err, "not agreed to; nothing was sent")
	require.Contains(t, s.Ok("limits"), "rules                       1\n")
	out := squeezed(s.Ok("limits", "adopt", "--reason", "agreed", "--yes"))
	for _, want := range []string{"rules 1 → 2", "while_tripped unset (a tripped breaker leaves bots nothing) → reduce", "min_capital 0 (off) → 1", "Nothing leads back", "main lives by the second edition of the rules from here on (revision 1)"} {
		require.Contains(t, out, want)
	}
	require.NotContains(t, out, "mark_max_age", "what does not change is not listed")
	require.Contains(t, squeezed(s.Ok("limits", "adopt", "--reason", "again", "--yes")), "there is nothing to adopt")
	s.Fails(1, []string{"never go back"}, "limits", "set", "rules=1", "--reason", "x")
	require.NotContains(t, s.Ok("limits"), "adopt")
}

// Two markets with long names, and two bots, are told apart in any width, and where the output
// is no terminal.
func TestPermitsOfMarketsWithLongNames(t *testing.T) {
	t.Parallel()
	s, _ := secondEdition(t)
	markets := []string{
		"will-the-temperature-in-berlin-be-above-30-degrees-on-july-01-2026-by-noon", "will-the-temperature-in-berlin-be-above-30-degrees-on-july-02-2026-by-noon",
	}
	bots := []string{"market-maker-of-weather-1-north", "market-maker-of-weather-2-north"}
	for _, b := range bots {
		s.Ok("bot", "add", b, "--capital", "1000")
		s.Ok("start", b)
		for _, m := range markets {
			s.Ok("permit", "ask", "--bot", b, "--market", m, "--outcome", "YES", "--side", "buy", "--quantity", "10", "--limit-price", "0.4")
		}
	}
	for _, columns := range []string{"40", "80", "120", ""} {
		s.SetEnv("COLUMNS", columns)
		names := map[string]bool{}
		for line := range strings.Lines(s.Ok("permits")) {
			for _, word := range strings.Fields(line) {
				if strings.HasPrefix(word, "wil") || strings.HasPrefix(word, "mar") {
					names[word] = true
				}
			}
		}
		require.Len(t, names, len(markets)+len(bots), "in %s columns: %v", columns, names)
		if width, err := strconv.Atoi(columns); err == nil {
			clitest.Fits(t, width, s.Ok("permits"))
		}
	}
}
