package operate_test

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/internal/pets/petstest"
)

// "A person who types what trips is told so": whatever command it is, what has tripped is said,
// and what to type next.
func TestEveryCommandSaysThatItTripped(t *testing.T) {
	t.Parallel()
	const byThis, drawdown = "TRIPPED by this: ", "bot_drawdown of alpha"
	lose := func(id string) []string {
		return []string{"trade", "--bot", "alpha", "--market", "m", "--pnl=-1", "--trade-id", id}
	}
	buy := func(price string, rest ...string) []string {
		return bought("alpha", "rain", "YES", "1000", price, "v-1", rest...)
	}
	for name, tt := range map[string]struct {
		limits []string
		before [][]string
		trips  []string
		says   []string
	}{
		"limits set": {
			before: [][]string{{"fee", "100", "--kind", "gas", "--bot", "alpha"}},
			trips:  []string{"limits", "set", "max_bot_drawdown_pct=0.1", "--reason", "tighter"}, says: []string{byThis, drawdown},
		},
		"trade": {
			before: [][]string{lose("1"), lose("2")}, trips: lose("3"), says: []string{byThis, "consecutive_losses of alpha"},
		},
		"fee": {
			trips: []string{"fee", "4000", "--kind", "gas"}, says: []string{byThis, "daily_loss", "portfolio_drawdown", "EMERGENCY STOP engaged by this: portfolio_drawdown"},
		},
		"fill": {
			before: [][]string{buy("0.5")},
			trips:  []string{"fill", "--bot", "alpha", "--market", "rain", "--outcome", "YES", "--side", "sell", "--quantity", "1000", "--price", "0.1", "--trade-id", "v-2"}, says: []string{byThis, drawdown},
		},
		"fill void": {
			before: [][]string{buy("0.1", "--status", "provisional"), {"mark", "rain", "YES", "0.5"}},
			trips:  []string{"fill", "void", "v-1", "--bot", "alpha"}, says: []string{byThis, drawdown},
		},
		"adjust": {trips: []string{"adjust", "hot:treasury", "--take", "500", "--reason", "lost"}, says: []string{byThis, "daily_loss"}},
		"mark": {
			before: [][]string{buy("0.5")}, trips: []string{"mark", "rain", "YES", "0.1"}, says: []string{byThis, drawdown},
		},
		"settle": {
			before: [][]string{buy("0.5")}, trips: []string{"settle", "rain", "--payouts", "YES=0,NO=1"}, says: []string{byThis, drawdown},
		},
		"correct": {
			before: [][]string{{"bot", "allocate", "alpha", "5000"}, bought("alpha", "rain", "YES", "5000", "0.9", "v-1"), {"settle", "rain", "--payouts", "YES=1,NO=0"}},
			trips:  []string{"correct", "rain", "--payouts", "YES=0,NO=1", "--reason", "the venue changed its answer"},
			says:   []string{byThis, drawdown, "portfolio_drawdown", "EMERGENCY STOP engaged by this: portfolio_drawdown"},
		},
		"permit": { // what the engine fills at once is a fill
			limits: []string{"paper_slippage_bps=1000"}, before: [][]string{buy("0.5"), {"mark", "rain", "YES", "0.27"}}, says: []string{byThis, drawdown},
			trips: []string{"permit", "ask", "--bot", "alpha", "--market", "rain", "--outcome", "YES", "--side", "sell", "--quantity", "1000", "--limit-price", "0.1", "--paper-fill"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, _ := second(t, tt.limits...)
			for _, args := range tt.before {
				require.NotContains(t, s.Ok(args...), "TRIPPED")
			}
			const key = "5d0ea9f4-97e9-4e9b-a1a0-2d1d3b7c1c4e"
			tt.trips = append(tt.trips, "--key", key)
			out := squeezed(s.Ok(tt.trips...))
			require.NotEmpty(t, s.EventsOf("breaker.tripped"))
			again := squeezed(s.Run(tt.trips...).Out)
			json := s.Run(append([]string{"--json"}, tt.trips...)...)
			for _, want := range append(tt.says, "What is stopped, and what to do next: pets state") {
				require.Contains(t, out, want)
				require.Contains(t, again, want, "the first answer may have been lost")
				require.Contains(t, squeezed(json.Err), want)
			}
			require.NotContains(t, json.Out, byThis)
		})
	}
}

// A batch says which of its commands tripped what, also where their answers are short.
func TestABatchSaysWhatItTripped(t *testing.T) {
	t.Parallel()
	lose := `{"command":"record_fee","body":{"bot":"alpha","kind":"gas","amount":"300"}}`
	more := `{"command":"record_fee","body":{"kind":"gas","amount":"400"}}`
	for name, change := range map[string]func([]map[string]any){"whole": func([]map[string]any) {}, "short": shorten} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, json := range []bool{false, true} {
				s, p := second(t)
				b := standsBetween(t, p)
				b.answered = change
				r := s.Run("--server", b.address, "batch", batchOf(s, deposit7, lose, more), "--json="+strconv.FormatBool(json))
				require.Equal(t, 0, r.Code, r.Out+r.Err)
				said := squeezed(r.Out)
				if json {
					said = squeezed(r.Err)
				}
				require.Contains(t, said, "2 record_fee TRIPPED by this: bot_drawdown of alpha")
				require.Contains(t, said, "3 record_fee TRIPPED by this: daily_loss")
				require.NotContains(t, said, "1 record_deposit TRIPPED")
				require.Contains(t, said, "what is stopped, and what to do next: pets state")
			}
		})
	}
}

// An override that ends in an emergency stop: who confirms it is told.
func TestAConfirmationSaysThatItTripped(t *testing.T) {
	t.Parallel()
	s, p := second(t)
	s.Ok("bot", "allocate", "alpha", "5000")
	s.Ok(bought("alpha", "rain", "YES", "5000", "0.9", "v-1")...)
	s.Ok("settle", "rain", "--payouts", "YES=1,NO=0")
	asked := s.Ok("override", "request", "settlement", "market=rain", "YES=0", "NO=1", "--reason", "the venue changed its answer")
	bob := petstest.SecretPattern.FindString(s.Ok("apikey", "issue", "--user", "bob", "--role", "approver"))
	r := p.Pets(s.Store(), bob, "override", "confirm", overrideID.FindString(asked))
	require.Equal(t, 0, r.Code, r.Err)
	for _, want := range []string{"TRIPPED by this: ", "bot_drawdown of alpha", "daily_loss", "EMERGENCY STOP engaged by this: portfolio_drawdown What is stopped"} {
		require.Contains(t, squeezed(r.Out), want)
	}
}
