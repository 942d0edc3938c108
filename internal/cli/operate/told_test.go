package operate_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/internal/pets/petstest"
)

// fill is one that a person types; rest are its other flags.
func fill(id string, rest ...string) []string {
	return append([]string{"fill", "--bot", "alpha", "--market", "m", "--outcome", "YES", "--side", "buy", "--quantity", "100", "--price", "0.4", "--trade-id", id}, rest...)
}

// "What was not done is not said to be done": a void of a fill that nobody knows takes nothing
// out of the books, and says what it does instead; so does the history.
func TestAVoidOfAnUnknownFillSaysSo(t *testing.T) {
	t.Parallel()
	s, _ := traded(t)
	s.Ok(fill("v-1", "--status", "provisional")...)
	out := plain(s.Ok("fill", "void", "v-l", "--bot", "alpha", "--market", "m"))
	require.Contains(t, out, "NO SUCH FILL IS KNOWN: nothing was taken out of the books. One that comes later as alpha/v-l will be ignored")
	require.NotContains(t, out, "never happened")
	r := s.Run("fill", "void", "v-m", "--bot", "alpha", "--market", "m", "--json")
	require.Equal(t, 0, r.Code)
	require.Contains(t, r.Err, "NO SUCH FILL IS KNOWN")
	require.Contains(t, plain(s.Ok("events", "--type", "fill.voided")), "alpha/v-l in m voided, of which nothing is known: one that comes later is ignored")
	require.Contains(t, s.Ok("fill", "void", "v-1", "--bot", "alpha"), "v-1 never happened: it is taken out of the books")
}

// "Only a note was recorded" is said with the note: what is ignored, or a duplicate, was not
// so before.
func TestANoteIsSaid(t *testing.T) {
	t.Parallel()
	s, _ := traded(t)
	s.Ok(fill("v-1", "--status", "provisional")...)
	s.Ok("fill", "void", "v-1", "--bot", "alpha")
	s.Fails(1, []string{"was voided; if the fill stands after all, report it as confirmed"}, fill("v-1", "--status", "provisional")...)
	require.Contains(t, plain(s.Ok("fill", "void", "v-1", "--bot", "alpha")), "nothing has changed (duplicate): the fill is already voided (revision ")
	require.NotContains(t, s.Ok("fill", "void", "v-1", "--bot", "alpha"), "never happened")
	s.Ok("market", "add", "m", "--outcomes", "YES,NO")
	require.Contains(t, plain(s.Ok("market", "add", "m", "--outcomes", "YES,NO")), "nothing has changed (unchanged): market is already registered like this")
	var v struct{ Note struct{ Code, Note string } }
	s.JSON(&v, "market", "add", "m", "--outcomes", "YES,NO")
	require.Equal(t, "unchanged", v.Note.Code)
}

// A settlement says who was paid how much, and that it holds for everybody.
func TestASettlementSaysWhoWasPaid(t *testing.T) {
	t.Parallel()
	s, _ := traded(t)
	s.Ok("bot", "add", "beta", "--capital", "100")
	const forAll = "the outcome is settled at 1 a share from now on, for everybody"
	s.Ok(fill("v-1")...)
	require.Contains(t, plain(s.Ok("settle", "other", "YES", "1")), "other / YES: nobody holds it: nothing was paid")
	require.Contains(t, plain(s.Ok("settle", "m", "YES", "1", "--bot", "beta")), "beta does not hold it: nothing was paid")
	r := s.Run("settle", "other", "NO", "1", "--json")
	require.Equal(t, 0, r.Code)
	require.Contains(t, plain(r.Err), "warning: other / NO: nobody holds it: nothing was paid")
	require.Contains(t, plain(s.Ok("settle", "m", "YES", "1")), "m / YES: alpha got 100 for 100; "+forAll)
}

// A fill says what was booked.
func TestAFillSaysWhatWasBooked(t *testing.T) {
	t.Parallel()
	s, _ := traded(t)
	require.Contains(t, plain(s.Ok(fill("v-1", "--fee", "0.1")...)), "v-1: buy 100 m / YES at 0.4 is recorded: 40 moved, fee 0.1 (revision ")
	require.Contains(t, plain(s.Ok(fill("v-2", "--notional", "1")...)), "at 0.4 is recorded: 1 moved, fee 0 (quantity × price is 40)")
}

// "A fill says how it was flagged", with --json on standard error; so does a trade.
func TestAFlagIsSaid(t *testing.T) {
	s, _ := traded(t)
	require.Contains(t, plain(s.Ok(fill("v-1")...)), "FLAGGED: no_permit: it names no permit (--permit-id)")
	r := s.Run(append(fill("v-2"), "--json")...)
	require.Equal(t, 0, r.Code)
	require.Contains(t, plain(r.Err), "warning: FLAGGED: no_permit")
	s.Ok("stop", "alpha", "--reason", "x")
	trade := []string{"trade", "--bot", "alpha", "--market", "m", "--pnl=-1", "--trade-id"}
	require.Contains(t, plain(s.Ok(append(trade, "t-1")...)), "FLAGGED: halted")
	require.Contains(t, s.Run(append(trade, "t-2", "--json")...).Err, "FLAGGED: halted")
}

// What is settled for one who sold and did not hold is paid by him.
func TestWhatWasOversoldIsPaidFor(t *testing.T) {
	s, _ := traded(t)
	args := fill("v-1")
	args[slices.Index(args, "buy")] = "sell"
	s.Ok(args...)
	require.Contains(t, plain(s.Ok("settle", "m", "YES", "1")), "alpha paid 100 for the 100 that it had sold and not held")
}

// "A command of a batch says what it would say by itself": flags, what nobody knows or holds,
// references that are recorded already, accounts below zero, permits, and what it has stopped.
func TestABatchSaysWhatItsCommandsSay(t *testing.T) {
	rows := []string{
		`{"command":"void_fill","body":{"bot":"alpha","market":"m","trade_id":"typo-1"}}`,
		`{"command":"settle_market","body":{"market":"rian","outcome":"YES","payout":"1"}}`,
		`{"command":"ask_permit","body":{"bot":"alpha","market":"m","outcome":"YES","side":"buy","quantity":"10","limit_price":"0.5"}}`,
		`{"command":"record_fill","body":{"bot":"alpha","market":"m","outcome":"NO","side":"sell","quantity":"10","price":"0.5","trade_id":"v-1"}}`,
		`{"command":"record_deposit","body":{"wallet":"hot","amount":"7","tx":"0xab"}}`,
		`{"command":"record_deposit","body":{"wallet":"hot","amount":"7","tx":"0xAB"}}`,
		`{"command":"record_withdrawal","body":{"wallet":"hot","amount":"20000"}}`,
	}
	for name, way := range map[string][]string{"text": nil, "json": {"--json"}} {
		t.Run(name, func(t *testing.T) {
			s, _ := traded(t)
			s.Ok("start", "alpha")
			r := s.Run(append([]string{"batch", batchOf(s, rows...)}, way...)...)
			require.Equal(t, 0, r.Code, r.Err)
			warned := r.Err
			if way == nil {
				warned += r.Out
				require.Regexp(t, `3  ask_permit  p\d+ is permitted: `, r.Out)
			}
			for _, want := range []string{
				"1 void_fill NO SUCH FILL IS KNOWN: nothing was taken out of the books",
				"2 settle_market rian / YES: nobody holds it: nothing was paid",
				"4 record_fill FLAGGED: no_permit: it names no permit (--permit-id); oversold",
				"hot:treasury has -10993 USDC, which is below zero",
				"7 record_withdrawal stop: [alpha] (",
			} {
				require.Contains(t, plain(warned), want)
			}
			require.Len(t, s.EventsOf("deposit.recorded"), 2, "booked once per (asset, wallet, tx, leg)")
			require.NotContains(t, plain(warned), "same --tx")
		})
	}
}

// "A mistyped asset or an overdraft is a fact, and is said": in the answer, in the state and in
// the status.
func TestMoneyInDoubtIsSaid(t *testing.T) {
	s, _ := traded(t)
	for _, c := range []struct {
		want string
		args []string
	}{
		{"hot:treasury has 1 UDSC, which is not the base asset (USDC) and has no mark", []string{"deposit", "1", "--asset", "UDSC"}},
		{"hot:treasury has -1 EURC, which is below zero: more went out of it than came in", []string{"withdraw", "1", "--asset", "EURC"}},
		{"cold:treasury has -10 USDC, which is below zero", []string{"withdraw", "10", "--wallet", "cold"}},
		{"cold:treasury has -5010 USDC, which is below zero", []string{"adjust", "cold:treasury", "--take", "5000", "--reason", "x"}},
		{"hot:treasury has -3 GAS, which is below zero", []string{"fee", "3", "--kind", "gas", "--asset", "GAS"}},
	} {
		r := s.Run(c.args...)
		require.Equal(t, 0, r.Code, r.Err)
		require.Contains(t, plain(r.Err), "warning: "+c.want)
	}
	state, status := plain(s.Ok("state")), plain(s.Run("status").Out)
	for _, want := range []string{"hot:treasury has 1 UDSC", "hot:treasury has -1 EURC", "cold:treasury has -5010 USDC", "hot:treasury has -3 GAS"} {
		require.Contains(t, state, "IN DOUBT "+want)
		require.Contains(t, status, want)
	}
	s.Ok("mark", "--asset", "UDSC", "2")
	require.NotContains(t, s.Ok("state"), "UDSC")
	r := s.Run("deposit", "1", "--asset", "UDSC")
	require.Empty(t, r.Err[strings.Index(r.Err, "\n")+1:], "of what is not in doubt nothing is said")
}

// "What leads out of a loss that a mistyped record made up is a correction", and no made-up
// deposit.
func TestAMistypedWithdrawalIsCorrected(t *testing.T) {
	for _, open := range []func(*testing.T) (*petstest.Shell, *petstest.Process){traded, tradedBefore} {
		s, _ := open(t)
		s.Ok("start", "alpha")
		s.Ok("trade", "--bot", "alpha", "--market", "m", "--pnl=-900", "--trade-id", "t-1")
		require.Equal(t, 0, s.Run("withdraw", "100000").Code)
		require.Contains(t, plain(s.Ok("state")), "IN DOUBT hot:treasury has -91000 USDC, which is below zero: more went out of it than came in. Record what is missing, or correct what was mistyped (pets adjust --help)")
	}
	s, _ := tradedBefore(t)
	s.Ok("start", "alpha")
	s.Ok("trade", "--bot", "alpha", "--market", "m", "--pnl=-900", "--trade-id", "t-1")
	require.Equal(t, 0, s.Run("withdraw", "100000").Code)
	require.Contains(t, plain(s.Ok("state")), "make up no deposit: an admin corrects the books by as much as is wrong (pets adjust hot:treasury --add N --reason TEXT -p main). Else record a deposit that has arrived")
}

// An arbitrage says which permit is for which order, what it costs and pays, and until when.
func TestAnArbitrageSaysWhatWasPermitted(t *testing.T) {
	t.Parallel()
	s, _ := traded(t)
	s.Ok("start", "alpha")
	s.Ok("market", "add", "m", "--outcomes", "YES,NO")
	ask := []string{"permit", "ask", "--bot", "alpha", "--leg", "buy 10 m YES 0.48", "--leg", "buy 10 m NO 0.49", "--leg-timeout", "20s"}
	require.Contains(t, s.Ok(append(ask, "--preview")...), "they cost 9.7, and pay at least 10")
	out := s.Ok(ask...)
	require.Regexp(t, `leg 1  p\d+  buy 10 m / YES at 0\.48\n  leg 2  p\d+  buy 10 m / NO at 0\.49\n`, out)
	require.Contains(t, out, "they cost 9.7, and pay at least 10")
	require.Contains(t, out, "each order is to be placed by ")
	require.Contains(t, out, "all of them are to be filled by ")
}

// Outcomes of a list are its words, without the blanks between them.
func TestOutcomesAreTrimmed(t *testing.T) {
	t.Parallel()
	s, _ := traded(t)
	s.Ok("market", "add", "m", "--outcomes", "YES, NO", "--token", "YES = 12")
	var v struct {
		Markets []struct {
			Outcomes []string
			Tokens   map[string]string
		}
	}
	s.JSON(&v, "market", "list")
	require.Equal(t, []string{"YES", "NO"}, v.Markets[0].Outcomes)
	require.Equal(t, map[string]string{"YES": "12"}, v.Markets[0].Tokens)
}

// The hint at a wrong limit is in its unit.
func TestAHintFitsTheLimit(t *testing.T) {
	t.Parallel()
	s, _ := traded(t)
	for pair, want := range map[string]string{
		"fee_bps=0.1%":            "fee_bps must be a decimal number of basis points, such as 10 for 0.1 %",
		"max_position_usd=none":   "max_position_usd must be a decimal number, an amount of money such as 250; 0 is off",
		"max_daily_loss_pct=5%":   "max_daily_loss_pct must be a decimal number, a fraction such as 0.05 for 5 %",
		"max_open_positions=none": "max_open_positions must be a whole number, such as 3; 0 is off",
		"breaker_warn_at=80%":     "breaker_warn_at must be a decimal number, such as 0.8",
	} {
		r := s.Run("limits", "set", pair, "--reason", "x")
		require.Equal(t, 2, r.Code)
		require.Contains(t, plain(r.Err), want)
	}
}

// "A new portfolio says its limits", and which settings of this run are not among them: they
// are those of a server that is started with them.
func TestANewPortfolioSaysItsLimits(t *testing.T) {
	t.Parallel()
	s, _ := traded(t)
	out := plain(s.Ok("portfolio", "open", "two", "--limit", "max_position_usd=250"))
	require.Contains(t, out, "its limits: max_consecutive_losses ")
	require.Contains(t, out, "max_position_usd 250; all of them: pets limits -p two next:")
	s.SetEnv("MAX_DAILY_LOSS_PCT", "0.01")
	s.SetEnv("MAX_POSITION_USD", "99")
	r := s.Run("portfolio", "open", "three", "--limit", "max_position_usd=250")
	require.Equal(t, 0, r.Code, r.Err)
	require.Contains(t, r.Err, "pets limits set max_daily_loss_pct=0.01 --reason \"…\" -p three")
	require.NotContains(t, r.Err, "max_position_usd")
}

// Under the first edition a deposit or a withdrawal whose reference is recorded already is
// warned of; the same one
// sent again under its key is not another.
func TestTheSameReferenceIsWarnedOf(t *testing.T) {
	t.Parallel()
	s, _ := tradedBefore(t)
	const key = "5d0ea9f4-97e9-4e9b-a1a0-2d1d3b7c1c4e"
	for _, verb := range []string{"deposit", "withdraw"} {
		s.Ok(verb, "25", "--tx", "0xAB")
		r := s.Run(verb, "25", "--tx", "0xab")
		require.Equal(t, 0, r.Code, r.Err)
		require.Contains(t, r.Err, "has 25 with the same --tx already")
	}
	s.Ok("deposit", "26", "--tx", "0xcd", "--key", key)
	s.Ok("deposit", "26", "--tx", "0xcd", "--key", key)
}

// Under the second edition a movement of a transaction is booked once, and another leg is
// another movement; funding, fees in other assets and fills that live again can be typed.
func TestFactsOfTheSecondEditionAreTyped(t *testing.T) {
	t.Parallel()
	s, _ := traded(t)
	s.Ok("deposit", "25", "--tx", "0xAB")
	r := s.Run("deposit", "25", "--tx", "0xab")
	require.Equal(t, 0, r.Code, r.Err)
	require.Contains(t, plain(r.Out), "nothing has changed (duplicate): this movement is already booked")
	require.NotContains(t, r.Err, "same --tx")
	s.Fails(1, []string{"is already booked with 25"}, "deposit", "26", "--tx", "0xAB")
	r = s.Run("deposit", "26", "--tx", "0xAB", "--leg", "1")
	require.Equal(t, 0, r.Code, r.Err)
	require.NotContains(t, r.Err, "same --tx")
	require.Contains(t, plain(s.Ok("funding", "--bot", "alpha", "--market", "m", "--outcome", "YES", "--funding-id", "f-1", "--", "-1.20")), "f-1: -1.2 of alpha in m / YES is recorded")
	require.Contains(t, plain(s.Ok(fill("v-1", "--fee", "2", "--fee-asset", "shares", "--status", "provisional")...)), "40 moved, fee 2 shares")
	s.Fails(1, []string{"market is missing"}, "fill", "void", "v-2", "--bot", "alpha")
	s.Ok("fill", "void", "v-1", "--bot", "alpha", "--market", "m")
	require.Contains(t, plain(s.Ok(fill("v-1")...)), "It had been voided, and lives again")
}

// An error says what is wrong with an amount, and which command two people need; what is new
// has no name that a command line takes for a flag.
func TestAnErrorSaysWhatToType(t *testing.T) {
	s, _ := traded(t)
	for want, args := range map[string][]string{
		"AMOUNT has more than 18 decimals":                                {"deposit", "0.10000000000000000000"},
		"AMOUNT is not below 10^15 in absolute value":                     {"deposit", "1000000000000000"},
		"AMOUNT must be a plain decimal number":                           {"deposit", "1e3"},
		"the value of --capital has more than 18 decimals":                {"bot", "add", "b", "--capital", "0.10000000000000000000"},
		"pets override request go_live --for NAME --reason TEXT -p PAPER": {"portfolio", "open", "real", "--mode", "live", "--asset", "pUSD"},
		"must not begin with a dash: a command line takes it":             {"bot", "add", "--capital", "1", "--", "-x"},
		"id must not begin with a dash: a command line takes ":            {"portfolio", "open", "--", "-x"},
	} {
		r := s.Run(args...)
		require.NotEqual(t, 0, r.Code)
		require.Contains(t, plain(r.Err), want)
	}
}

// A stop of a portfolio that is not there names those that are, by any way.
func TestAStopNamesThePortfoliosThatAre(t *testing.T) {
	s, _ := traded(t)
	for range 2 {
		r := s.Run("stop", "--emergency", "-p", "MAIN")
		require.Equal(t, 1, r.Code)
		require.Contains(t, r.Err, "NOT stopped: there is no portfolio MAIN in this store; it has main")
		s.SetEnv("PETS_SERVER", "") // by its stop socket
	}
}
