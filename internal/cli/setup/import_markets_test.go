package setup_test

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/internal/pets/petstest"
)

func examples(t *testing.T, names ...string) []string {
	t.Helper()
	var files []string
	for _, name := range names {
		file, err := filepath.Abs(filepath.Join("../../..", importExamples, name))
		require.NoError(t, err)
		files = append(files, file)
	}
	return files
}

// "A *default* below is what a new portfolio … is given": `position_dust_usd` "imported 0",
// `mark_collar` "paper and imported 0 = off"; the environment decides otherwise.
func TestTheEditionOfAnImport(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		env  [][2]string
		want map[string]any
	}{
		"by default": {nil, map[string]any{"rules": json.Number("2"), "while_tripped": "reduce", "min_capital": "1", "position_dust_usd": nil, "mark_collar": nil}},
		"of one's own": {
			[][2]string{{"POSITION_DUST_USD", "0.2"}, {"MARK_COLLAR", "0.3"}, {"MIN_CAPITAL", "5"}},
			map[string]any{"rules": json.Number("2"), "position_dust_usd": "0.2", "mark_collar": "0.3", "min_capital": "5"},
		},
	} {
		s := petstest.New(t)
		for _, v := range c.env {
			s.SetEnv(v[0], v[1])
		}
		s.Ok("import", "--capital", "300", examples(t, "fills.csv")[0])
		var opened struct {
			Data struct{ Policy map[string]any }
		}
		petstest.ReadJSON(t, s.Ok("events", "--json", "--type", "portfolio.opened"), &opened)
		for key, want := range c.want {
			require.Equal(t, want, opened.Data.Policy[key], "%s: %s", name, key)
		}
	}
}

// "Statistics (`stats`, gate) count results": two trades that one settlement closes are one
// win, and a trade that waited counts with the next result of its market. What is imported
// adds up.
func TestStatisticsOfImportedMarkets(t *testing.T) {
	t.Parallel()
	s := petstest.New(t)
	s.Ok(append([]string{"import", "--capital", "1000"}, examples(t, "markets.csv", "cup-fills.csv", "sets.csv", "payouts.csv")...)...)
	var v struct {
		Portfolio struct {
			Trades, Results, Wins, Losses, Neutral int
			LongestLossStreak                      int `json:"longest_loss_streak"`
		}
	}
	s.JSON(&v, "stats", "--limit", "MAX_CONSECUTIVE_LOSSES=2")
	p := v.Portfolio
	require.Equal(t, []int{7, 4, 2, 1, 1, 1}, []int{p.Trades, p.Results, p.Wins, p.Losses, p.Neutral, p.LongestLossStreak})
	require.Contains(t, s.Ok("verify"), "adds up")
}

// "Beyond 100 trades, what one command closes … stands in records of at most 250 rows …;
// trips and warnings beyond 100 stand in such records too": an import counts and names each,
// and what it wrote adds up.
func TestAMarketWithManyHolders(t *testing.T) {
	t.Parallel()
	const bots = 130
	s := petstest.New(t)
	s.SetEnv("MAX_CONSECUTIVE_LOSSES", "1")
	fills := []string{petstest.FillsHeader}
	for n := range bots {
		for _, outcome := range []string{"YES", "NO"} {
			fills = append(fills, fmt.Sprintf("2026-03-01T10:00:00Z,bot%d,rain,%s,buy,10,0.51,0,%s", n, outcome, outcome))
		}
	}
	var v petstest.SummaryJSON
	s.JSON(&v, "import", "--capital", "13000", s.File("markets.csv", "time,market,kind,outcomes", "2026-03-01T09:00:00Z,rain,,YES|NO"), s.File("fills.csv", fills...),
		s.File("won.csv", "time,bot,market,outcome,payout", "2026-03-02T10:00:00Z,,rain,NO,0", "2026-03-02T10:00:00Z,,rain,YES,1"))
	require.Equal(t, 2*bots, v.Trades)
	require.Len(t, v.Trips, bots, "10.2 for what pays 10")
	types := map[string]int{}
	for _, e := range s.Events() {
		types[e.Type]++
	}
	require.Equal(t, []int{1, 2 * bots, bots}, []int{types["market.paid_out.v1"], types["trade.closed.v1"], types["breaker.tripped.v1"]}, "readers see single trades: %v", types)
	require.Contains(t, s.Ok("verify"), "adds up")
	var stats struct {
		Portfolio struct{ Trades, Results, Losses int }
	}
	s.JSON(&stats, "stats")
	require.Equal(t, []int{2 * bots, bots, bots}, []int{stats.Portfolio.Trades, stats.Portfolio.Results, stats.Portfolio.Losses})
}
