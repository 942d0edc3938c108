package replay_test

import (
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/commands"
	"pets/domain"
	"pets/domain/portfolio"
	"pets/eventstore"
	"pets/eventstore/embedded"
	"pets/replay"
	"pets/replay/historytest"
)

// "Nothing changes with a new binary", "set by `pets limits adopt` …, recorded", "Adoption
// leaves earlier markets not exclusive until registered again": the folder of an earlier
// build opens under its own rules, adopts those of today, and adds up.
func TestAFolderOfAnEarlierBuildAdoptsTheRules(t *testing.T) {
	for _, file := range histories(t, "demo.folder.gz", 2) {
		build := filepath.Base(filepath.Dir(file))
		dir := t.TempDir()
		require.NoError(t, historytest.Unpack(file, dir))
		store, err := embedded.Open(dir, embedded.Options{})
		require.NoError(t, err)
		before := folded(t, store)
		if before.Policy.Second() {
			require.NoError(t, store.Close())
			continue
		}
		e, n := commands.NewEngine(store, commands.EngineOptions{}), 0
		ask := func(c commands.Command) error {
			n++
			_, err := e.Do(t.Context(), "demo", commands.Request{Caller: domain.Caller{User: "olga", Role: domain.RoleAdmin}, Key: "adopt-" + strconv.Itoa(n), Command: c})
			return err
		}
		do := func(c commands.Command) {
			require.NoError(t, ask(c), build)
		}
		register := commands.RegisterMarket{Market: "pair", Kind: domain.KindOutcome, Outcomes: []string{"YES", "NO"}}
		do(register)
		do(commands.MarkPrices{Marks: []domain.Mark{{Market: "pair", Outcome: "YES", Price: domain.MustDecimal("0.3")}, {Market: "pair", Outcome: "NO", Price: domain.MustDecimal("0.3")}}})
		for _, outcome := range register.Outcomes {
			do(commands.RecordFill{FillID: domain.FillID{Bot: "steady", TradeID: outcome}, Instrument: domain.Instrument{Market: "pair", Outcome: outcome}, Side: domain.Buy, Quantity: domain.MustDecimal("100"), Price: domain.MustDecimal("0.3")})
		}
		first := folded(t, store)
		require.False(t, first.Policy.Second(), build)
		require.False(t, first.Markets["pair"].Exclusive, build)
		require.Equal(t, before.Equity(), first.Equity(), "%s: two positions of 100 at 0.3", build)
		require.Equal(t, domain.CodeInvalid, domain.CodeOf(ask(commands.SettleMarket{Instrument: domain.Instrument{Market: "pair"}, Payouts: map[string]domain.Decimal{"YES": domain.One}})))

		do(commands.ChangeLimits{Limits: []byte("{}"), Reason: "risk lives in markets", Adopt: true})
		second := folded(t, store)
		require.True(t, second.Policy.Second(), build)
		require.Equal(t, before.Policy.Adopted(domain.ModePaper, domain.ClockWall, "USDC"), second.Policy, build)
		require.Equal(t, first.Equity(), second.Equity(), build)
		require.False(t, second.Markets["pair"].Exclusive, build)
		register.Exclusive = new(true)
		do(register)
		again := folded(t, store)
		require.True(t, again.Markets["pair"].Exclusive, build)
		require.Equal(t, second.Equity().Add(domain.FromInt(40)), again.Equity(), "%s: 100 sets are worth 100", build)
		require.Equal(t, second.Refs.Drawdown(second.Equity()), again.Refs.Drawdown(again.Equity()), "%s: references are scaled by that as by a flow", build)
		do(commands.SettleMarket{Instrument: domain.Instrument{Market: "pair"}, Payouts: map[string]domain.Decimal{"YES": domain.Zero, "NO": domain.One}})
		require.Equal(t, again.Equity(), folded(t, store).Equity(), build)

		e.Close()
		v, err := replay.Verify(t.Context(), store, commands.Stream("demo"), nil)
		require.NoError(t, err)
		require.Empty(t, v.Problems, build)
		require.NoError(t, store.Close())
	}
}

// folded is the state of the demo's portfolio.
func folded(t *testing.T, store eventstore.Store) *portfolio.State {
	t.Helper()
	s := portfolio.New()
	require.NoError(t, eventstore.Walk(t.Context(), store, commands.Stream("demo"), 0, func(rec eventstore.Record) error {
		e, err := domain.Decode(rec.Type, rec.Data)
		s.Apply(domain.Stamp{Revision: rec.Revision, Time: rec.Time}, e)
		return err
	}))
	return s
}
