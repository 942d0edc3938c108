package replay_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/commands"
	"pets/domain"
	"pets/eventstore"
	"pets/eventstore/memory"
	"pets/replay"
	"pets/replay/scenario"
)

// history is the scenario whose records the tests below damage: two trades, a
// flip, a settlement, a report, a void, two days, a trip.
const history = `at 2026-01-01T10:00:00Z
open capital=1000
bot alpha capital=500
bot beta capital=400
buy alpha m/YES 10 @ 0.5 fee=0.1 id=1
sell alpha m/YES 15 @ 0.6 fee=0.1 id=2
buy beta m/YES 10 @ 0.5 id=1
settle m/YES 1
wait 24h
trade beta x -1 id=r
buy alpha n/YES 10 @ 0.5 id=3
sell alpha n/YES 10 @ 0.4 id=4 status=provisional
void alpha 4
trade beta x -1
trade beta x -1
deposit 5
`

// play runs a scenario and returns its records.
func play(t *testing.T, text string) []eventstore.Record {
	t.Helper()
	store, err := scenario.Store(t.Context(), scenario.Options{Name: "play"}, strings.NewReader(text))
	require.NoError(t, err)
	var out []eventstore.Record
	require.NoError(t, eventstore.Walk(t.Context(), store, commands.Stream(scenario.Portfolio), 0, func(rec eventstore.Record) error {
		out = append(out, rec)
		return nil
	}))
	return out
}

// verified stores records as they are and verifies them.
func verified(t *testing.T, records []eventstore.Record) (replay.Verified, error) {
	t.Helper()
	store := memory.New()
	proposed := make([]eventstore.Proposed, len(records))
	for i, r := range records {
		proposed[i] = eventstore.Proposed{ID: r.ID, Type: r.Type, Time: r.Time, Metadata: r.Metadata, Data: r.Data}
	}
	_, err := store.Append(t.Context(), "portfolio-main", eventstore.NoStream, proposed)
	require.NoError(t, err)
	return replay.Verify(t.Context(), store, "portfolio-main", nil)
}

// find returns the place of the n-th record of a type.
func find(t *testing.T, records []eventstore.Record, eventType string, n int) int {
	t.Helper()
	for i, r := range records {
		if r.Type != eventType {
			continue
		}
		if n == 0 {
			return i
		}
		n--
	}
	t.Fatalf("no such %s", eventType)
	return 0
}

// set changes one field of a stored event.
func set(t *testing.T, rec *eventstore.Record, field string, value any) {
	t.Helper()
	var data map[string]any
	require.NoError(t, json.Unmarshal(rec.Data, &data))
	require.Contains(t, data, field)
	data[field] = value
	b, err := json.Marshal(data)
	require.NoError(t, err)
	rec.Data = b
}

func without(records []eventstore.Record, i int) []eventstore.Record {
	return append(append([]eventstore.Record{}, records[:i]...), records[i+1:]...)
}

func TestVerifyOfAGoodHistory(t *testing.T) {
	records := play(t, history)
	v, err := verified(t, records)
	require.NoError(t, err)
	require.Empty(t, v.Problems)
	require.NotNil(t, v.Problems, "JSON shows an empty list, not null")
	require.Equal(t, "main", v.Portfolio)
	require.EqualValues(t, len(records), v.Events)
	require.Equal(t, 6, v.Trades, "two of alpha in m, one settled of beta, three reported; the voided one does not stand")
	require.Equal(t, records[0].Time, v.From)
	require.Equal(t, 24*time.Hour, v.To.Sub(v.From))
	require.Len(t, v.StateHash, 64)
}

// Every kind of damage is found, at its revision.
func TestVerifyFindsWhatDoesNotAddUp(t *testing.T) {
	damage := map[string]struct {
		want string
		do   func(t *testing.T, all []eventstore.Record) []eventstore.Record
	}{
		"time goes back": {"time goes back", func(_ *testing.T, all []eventstore.Record) []eventstore.Record {
			all[4].Time = all[4].Time.Add(-time.Nanosecond)
			return all
		}},
		"the opening is gone": {"the first event is deposit.recorded.v1", func(_ *testing.T, all []eventstore.Record) []eventstore.Record {
			return without(all, 0)
		}},
		"metadata": {"decode metadata", func(_ *testing.T, all []eventstore.Record) []eventstore.Record {
			all[3].Metadata = []byte("none")
			return all
		}},
		"another P&L": {"was recorded with P&L 9, the fold gives", func(t *testing.T, all []eventstore.Record) []eventstore.Record {
			set(t, &all[find(t, all, domain.TradeClosedType, 0)], "pnl", "9")
			return all
		}},
		"another result": {"the fold gives", func(t *testing.T, all []eventstore.Record) []eventstore.Record {
			set(t, &all[find(t, all, domain.TradeClosedType, 0)], "result", "loss")
			return all
		}},
		"a trade too few": {"ended, but no trade was closed", func(t *testing.T, all []eventstore.Record) []eventstore.Record {
			return without(all, find(t, all, domain.TradeClosedType, 1))
		}},
		"a trade too many": {"was closed, but no position episode ended", func(t *testing.T, all []eventstore.Record) []eventstore.Record {
			i := find(t, all, domain.TradeClosedType, 0)
			return append(all, all[i])
		}},
		"a fill twice": {"the fact of this event is already booked by revision", func(t *testing.T, all []eventstore.Record) []eventstore.Record {
			return append(all, all[find(t, all, domain.FillRecordedType, 0)])
		}},
		"a command twice": {"is already recorded by revision", func(t *testing.T, all []eventstore.Record) []eventstore.Record {
			return append(all, all[find(t, all, domain.DepositRecordedType, 0)])
		}},
		"another day's opening": {"day 2026-01-02 opened at 7, but equity was", func(t *testing.T, all []eventstore.Record) []eventstore.Record {
			set(t, &all[find(t, all, domain.DayOpenedType, 0)], "equity", "7")
			return all
		}},
		"another revision of a trade": {"income of alpha is booked as", func(t *testing.T, all []eventstore.Record) []eventstore.Record {
			return without(all, find(t, all, domain.TradeRevisedType, 0))
		}},
		"a fill too few": {"was closed, but no position episode ended", func(t *testing.T, all []eventstore.Record) []eventstore.Record {
			return without(all, find(t, all, domain.FillRecordedType, 0))
		}},
	}
	for name, d := range damage {
		t.Run(name, func(t *testing.T) {
			v, err := verified(t, d.do(t, play(t, history)))
			require.NoError(t, err)
			require.NotEmpty(t, v.Problems)
			var all []string
			for _, p := range v.Problems {
				require.Equal(t, "portfolio-main", p.Stream)
				all = append(all, p.What)
			}
			require.Contains(t, strings.Join(all, "\n"), d.want)
		})
	}
}

// What cannot be read is an error, not a problem: nothing after it is known.
func TestVerifyStopsAtWhatItCannotRead(t *testing.T) {
	records := play(t, history)
	records[5].Type = "fill.recorded.v9"
	_, err := verified(t, records)
	var unknown *domain.UnknownTypeError
	require.ErrorAs(t, err, &unknown)
	require.ErrorContains(t, err, "revision 5")

	records = play(t, history)
	records[5].Data = []byte(`{"bot":"alpha"`)
	_, err = verified(t, records)
	require.ErrorContains(t, err, "revision 5")
}

// A report ends where it would only repeat itself.
func TestVerifyHasALimit(t *testing.T) {
	records := play(t, history)
	last := records[len(records)-1]
	for i := range 300 {
		last.Time = last.Time.Add(-time.Duration(i+1) * time.Second)
		records = append(records, last)
	}
	v, err := verified(t, records)
	require.NoError(t, err)
	require.Len(t, v.Problems, 100)
	require.Less(t, v.Events, uint64(len(records)))
}

func TestVerifyTellsHowFarItIs(t *testing.T) {
	store := memory.New()
	var told []uint64
	v, err := replay.Verify(t.Context(), store, "portfolio-none", func(n uint64) { told = append(told, n) })
	require.NoError(t, err)
	require.Zero(t, v.Events)
	require.Empty(t, told)
}

func TestPortfolios(t *testing.T) {
	store := memory.New()
	rec := play(t, "open\n")[0]
	for _, stream := range []string{"portfolio-b", "system", "portfolio-a", "alerts"} {
		_, err := store.Append(t.Context(), stream, eventstore.NoStream, []eventstore.Proposed{{ID: rec.ID, Type: rec.Type, Time: rec.Time, Data: rec.Data}})
		require.NoError(t, err)
	}
	ids, err := replay.Portfolios(t.Context(), store)
	require.NoError(t, err)
	require.Equal(t, []string{"a", "b"}, ids)
	require.NoError(t, store.Close())
	_, err = replay.Portfolios(t.Context(), store)
	require.Error(t, err)
}

// Trades that share a record are compared with the episodes that ended, one by one, also
// between the revisions of a correction that settles the rest.
func TestVerifyReadsEveryRow(t *testing.T) {
	const bots = 105
	var text strings.Builder
	text.WriteString("quiet on\nopen capital=10000 rules=2 max_consecutive_losses=1\nmarket cup kind=outcome outcomes=A,B,C\n")
	for i := range bots {
		fmt.Fprintf(&text, "bot b%d capital=10\nbuy b%d cup/A 1 @ 0.4\nbuy b%d cup/B 1 @ 0.4\n", i, i, i)
	}
	text.WriteString("settle cup/A 0\ncorrect cup A 1 B 0 C 0 reason=wrong\n")
	records := play(t, text.String())
	v, err := verified(t, records)
	require.NoError(t, err)
	require.Empty(t, v.Problems)
	require.Equal(t, 2*bots, v.Trades)

	for i, rec := range records { // and one that is wrong is found
		if rec.Type != domain.TradesClosedType {
			continue
		}
		records[i].Data = []byte(strings.Replace(string(rec.Data), `"pnl":"-0.4"`, `"pnl":"-0.5"`, 1))
		v, err = verified(t, records)
		require.NoError(t, err)
		require.NotEmpty(t, v.Problems)
		return
	}
	require.Fail(t, "no trades share a record")
}
