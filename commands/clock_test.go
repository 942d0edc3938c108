package commands

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/eventstore"
)

// "A wall clock behind the last record by more than 2 s still takes facts, … with the
// last record's time and a flag; it refuses what opens", and "Time never goes back within
// a stream".
func TestAClockBehindTheStream(t *testing.T) {
	tests := []struct {
		behind time.Duration
		want   time.Duration // of the record, behind the head
		flag   bool
	}{
		{-time.Second, -time.Second, false},
		{0, 0, false},
		{time.Nanosecond, 0, false},
		{2*time.Second - 1, 0, false},
		{2 * time.Second, 0, false},
		{2*time.Second + 1, 0, true},
		{365 * 24 * time.Hour, 0, true},
	}
	for _, tt := range tests {
		t.Run(tt.behind.String(), func(t *testing.T) {
			r := newRig(t).opened("a")
			r.clock.add(-tt.behind)
			a, err := r.do(olga, "k", deposit("1"))
			require.NoError(t, err)
			rec := r.records()[a.Revision]
			require.Equal(t, noon.Add(-tt.want), rec.Time)
			m, err := domain.DecodeMetadata(rec.Metadata)
			require.NoError(t, err)
			again, err := r.do(olga, "k", deposit("1"))
			require.NoError(t, err)
			require.True(t, again.Replayed)
			flag := domain.Duration(0)
			if tt.flag {
				flag = domain.Duration(tt.behind)
			}
			require.Equal(t, []domain.Duration{flag, flag, flag}, []domain.Duration{m.ClockBehind, a.ClockBehind, again.ClockBehind})
			all := len(r.records())
			_, err = r.do(botCaller("a"), "open", permit("a", "1"))
			if !tt.flag {
				require.NoError(t, err)
			} else {
				requireCode(t, domain.CodeClock, err)
				require.Len(t, r.records(), all)
				r.clock.add(tt.behind) // the clock is corrected, and the same key goes through
				_, err = r.do(botCaller("a"), "open", permit("a", "1"))
				require.NoError(t, err)
			}
			r.check()
		})
	}
}

// "Same decisions on replay": the clock's zone and monotonic reading are not recorded.
func TestRecordTimesAreUTC(t *testing.T) {
	r := newRig(t).opened("a")
	r.clock.now = time.Now().In(time.FixedZone("x", 3600))
	a := r.must(botCaller("a"), permit("a", "1"))
	rec := r.records()[a.Revision]
	require.Equal(t, time.UTC, rec.Time.Location())
	require.True(t, rec.Time.Equal(r.clock.now))
	require.Equal(t, rec.Time.Add(30*time.Second), *a.Permit.ExpiresAt)
	r.check()
}

func openImported() OpenPortfolio {
	c := openMain()
	c.Clock = domain.ClockImported
	return c
}

// row is a request of an import.
func row(at time.Time, key string, c Command) Request {
	return Request{Caller: olga, Key: key, Command: c, Import: &Import{At: at, Source: "fills.csv:2"}}
}

func (r *rig) imported() *rig {
	r.t.Helper()
	for i, c := range []Command{openImported(), deposit("1000"), RegisterBot{ID: "a", Capital: dec("100"), Start: true}} {
		_, err := r.w.Do(r.ctx(), row(noon.Add(-24*time.Hour), "setup"+string(rune('a'+i)), c))
		require.NoError(r.t, err)
	}
	return r
}

func (r *rig) trade(at time.Time, id, pnl string) (Answer, error) {
	return r.w.Do(r.ctx(), row(at, "row/"+id, RecordTrade{Bot: "a", Market: "m", PnL: dec(pnl), TradeID: id}))
}

// "Records carry the rows' time as Time, the moment of import in the metadata"; a row
// before the head is refused, and one at the head or after it is accepted.
func TestImportedRowsBringTheirTime(t *testing.T) {
	r := newRig(t).imported()
	at := noon.Add(-10 * time.Hour)
	a, err := r.trade(at, "1", "1")
	require.NoError(t, err)
	rec := r.records()[a.Revision]
	require.Equal(t, at, rec.Time)
	m, err := domain.DecodeMetadata(rec.Metadata)
	require.NoError(t, err)
	require.Equal(t, noon, *m.ImportedAt)
	require.Equal(t, "fills.csv:2", m.Source)

	_, err = r.trade(at.Add(-1), "2", "1")
	requireCode(t, domain.CodeClock, err)
	_, err = r.trade(at, "3", "1")
	require.NoError(t, err)
	_, err = r.trade(at.Add(1), "4", "1")
	require.NoError(t, err)
	r.clock.add(time.Hour)
	again, err := r.trade(at, "1", "1") // known, although it lies before the head by now
	require.NoError(t, err)
	same(t, a, again)
	r.check()
}

// "They accept only imports, resets and reads"; a reset is recorded at the head's
// time, with the moment it was made in the metadata.
func TestAnImportedPortfolioTakesImportsAndResetsOnly(t *testing.T) {
	r := newRig(t).imported()
	for i, id := range []string{"1", "2", "3"} {
		_, err := r.trade(noon.Add(time.Duration(i-5)*time.Hour), id, "-0.1")
		require.NoError(t, err)
	}
	head := r.records()[len(r.records())-1]
	require.Equal(t, domain.BreakerTrippedType, head.Type)
	for _, c := range []Command{deposit("1"), StartBot{Bot: "a"}, permit("a", "1"), EngageStop{Kind: "manual", Reason: "x"}} {
		r.refused(domain.CodeConflict, olga, c)
	}
	a := r.must(olga, ResetBreaker{Breaker: domain.ConsecutiveLosses, Bot: "a", Reason: "replayed"})
	rec := r.records()[a.Revision]
	require.Equal(t, head.Time, rec.Time)
	m, err := domain.DecodeMetadata(rec.Metadata)
	require.NoError(t, err)
	require.Equal(t, noon, *m.ImportedAt)
	require.Empty(t, m.Source)
	r.check()
}

// A portfolio with a clock of its own accepts no import. An imported portfolio can be
// opened only by an import: otherwise its first record would have the wall clock's time,
// and no older row could follow.
func TestAWallPortfolioTakesNoImport(t *testing.T) {
	r := newRig(t)
	_, err := r.w.Do(r.ctx(), row(noon, "k", openMain()))
	requireCode(t, domain.CodeInvalid, err)
	r.refused(domain.CodeInvalid, olga, openImported())
	imported := openImported()
	r.refused(domain.CodeInvalid, olga, &imported)
	_, err = r.w.Do(r.ctx(), row(noon, "k", deposit("1")))
	requireCode(t, domain.CodeNotFound, err)
	r.opened()
	_, err = r.w.Do(r.ctx(), row(noon.Add(time.Hour), "k", deposit("1")))
	requireCode(t, domain.CodeConflict, err)
	r.check()
}

// The stream of a portfolio holds that portfolio.
func TestAPortfolioIsOpenedInItsOwnStream(t *testing.T) {
	r := newRig(t)
	c := openMain()
	c.ID = "other"
	r.refused(domain.CodeInvalid, olga, c)
	r.opened()
	r.refused(domain.CodeConflict, olga, openMain())
	r.check()
}

// A row with a time that no store can hold is refused; the others are not.
func TestATimeTheStoreCannotHold(t *testing.T) {
	r := newRig(t)
	results, err := r.w.DoAll(r.ctx(), []Request{row(time.Date(1969, 12, 31, 0, 0, 0, 0, time.UTC), "k", openImported())})
	require.NoError(t, err)
	requireCode(t, domain.CodeInvalid, results[0].Err)
	r.imported()
	late := time.Date(2300, 1, 1, 0, 0, 0, 0, time.UTC)
	results, err = r.w.DoAll(r.ctx(), []Request{
		row(noon, "good", deposit("1")), row(late, "bad", deposit("1")), row(noon, "not tried", deposit("1")),
	})
	require.NoError(t, err)
	require.NoError(t, results[0].Err)
	requireCode(t, domain.CodeInvalid, results[1].Err)
	require.ErrorIs(t, results[2].Err, ErrNotTried)
	_, err = r.w.Do(r.ctx(), row(noon, "after", deposit("1")))
	require.NoError(t, err)
	r.check()
}

// A row of a file is the same row for every importer: continuing another user's import
// books nothing twice.
func TestAnImportCanBeContinuedByAnotherUser(t *testing.T) {
	r := newRig(t).imported()
	rebate := row(noon, "row/1", RecordFee{Bot: "a", Amount: dec("1"), Kind: domain.FeeRebate})
	first, err := r.w.Do(r.ctx(), rebate)
	require.NoError(t, err)
	rebate.Caller = domain.Caller{User: "otto", Role: domain.RoleOperator}
	again, err := r.w.Do(r.ctx(), rebate)
	require.NoError(t, err)
	require.True(t, again.Replayed)
	same(t, first, again)
	m, err := domain.DecodeMetadata(r.records()[first.Revision].Metadata)
	require.NoError(t, err)
	require.Equal(t, "olga", m.Actor, "the record says who it was")

	elsewhen := row(noon.Add(1), "row/1", rebate.Command)
	_, err = r.w.Do(r.ctx(), elsewhen)
	requireCode(t, domain.CodeIdempotencyMismatch, err) // the time is part of the request
	_, err = r.do(domain.Caller{User: "import", Role: domain.RoleOperator}, "row/1", rebate.Command)
	require.Error(t, err, "nobody can take an import's key from outside")
	r.check()
}

// Time passes between the attempts of one command: the last decision is stored, in the
// right order.
func TestTimeGoesOnBetweenAttempts(t *testing.T) {
	r := newRig(t).opened("a")
	r.store.plan(fault{err: &eventstore.Conflict{}, before: func() { r.clock.add(36 * time.Hour) }})
	a, err := r.w.Do(context.Background(), Request{Caller: botCaller("a"), Key: "k", Command: permit("a", "1")})
	require.NoError(t, err)
	require.Equal(t, []string{domain.DayOpenedType, domain.PermitGrantedType}, types(a), "it is another day by now")
	r.check()
}
