package commands

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/domain/portfolio"
	"pets/eventstore"
)

// yearAhead is a portfolio in which one record was made under a clock that was a year
// ahead; the clock is right again, and the server was restarted.
func yearAhead(t testing.TB) *twoClocks {
	m := newTwoClocks(t)
	m.opened("a")
	m.must(olga, fill("a", "1", "buy", "10", "0.5"))
	m.clock.add(365 * 24 * time.Hour)
	m.must(olga, deposit("1"))
	m.clock.add(-364 * 24 * time.Hour)
	m.restart()
	return m
}

func sell(quantity string) AskPermit {
	c := permit("a", quantity)
	c.Side = domain.Sell
	return c
}

// Every command of a portfolio, by whether it is refused for a wrong clock: "it refuses
// what opens (permits that open, starts, resets, transfers, signatures of orders that
// open) with `clock`", and no fact, mark, stop or reduction.
func TestWhatAWrongClockRefuses(t *testing.T) {
	refused := `add_address approve_transfer ask_permit broadcast_transfer cancel_transfer change_limits change_treasury_policy
		confirm_clear open_portfolio prepare_again prepare_transfer propose_rebalance raise_fee register_bot register_wallet reprice_transfer
		request_clear request_override request_transfer reset_breaker sign_transfer start_bot`
	m := yearAhead(t)
	all := len(m.records())
	found := map[string]bool{}
	for _, row := range mayDo {
		c, ok := row.command("a").(PortfolioCommand)
		if !ok {
			continue
		}
		switch c.(type) {
		case OpenPortfolio:
			c = openMain()
		case AskPermit:
			c = permit("a", "1")
		}
		role := domain.Role(strings.Fields(row.roles)[0])
		caller := domain.Caller{User: "u", Role: role}
		if role == domain.RoleBot {
			caller.Bot = "a"
		}
		if nameOf(c) == "engage_stop" || nameOf(c) == "stop_bot" {
			continue // they are accepted, and would change the state for the following ones: see below
		}
		_, err := m.do(caller, uuid.NewString(), c)
		if domain.CodeOf(err) == domain.CodeClock {
			found[nameOf(c)] = true
			require.Equal(t, ClassOther, ClassOf(c))
		}
	}
	want := map[string]bool{}
	for _, name := range strings.Fields(refused) {
		want[name] = true
	}
	require.Equal(t, want, found)
	require.GreaterOrEqual(t, len(m.records()), all)
	m.must(olga, StopBot{Bot: "a"})
	m.must(olga, manual())
	m.check()
}

// "A wall clock behind the last record by more than 2 s still takes facts, marks and
// everything that stops or reduces, with the last record's time and a flag": a tighter limit
// is taken, and may trip; one that is looser opens, and so does one of both.
func TestATighterLimitPassesAWrongClock(t *testing.T) {
	for _, tt := range []struct {
		back, behind time.Duration
	}{
		{2*time.Second - time.Millisecond, 0}, {2 * time.Second, 0}, {2*time.Second + time.Millisecond, 2*time.Second + time.Millisecond},
	} {
		m := newTwoClocks(t)
		m.opened("a")
		m.must(alice, ChangeLimits{Limits: []byte(`{}`), Reason: "second edition", Adopt: true})
		m.must(olga, RecordFee{Bot: "a", Amount: dec("100"), Kind: domain.FeeTrading})
		last := m.records()[len(m.records())-1]
		m.clock.add(-tt.back)
		refused := []string{
			`{"max_daily_loss_pct":"0.06"}`, `{"max_daily_loss_pct":"0.04","max_bot_drawdown_pct":"0.3"}`,
			`{"max_daily_loss_pct":"0.04","daily_loss_tz":"Europe/Berlin"}`, `{"max_order_usd":"5","fee_bps":"1"}`,
		}
		if tt.behind == 0 {
			refused = nil
		}
		for _, patch := range refused {
			_, err := m.do(alice, uuid.NewString(), ChangeLimits{Limits: []byte(patch), Reason: "x"})
			requireCode(t, domain.CodeClock, err)
			require.ErrorContains(t, err, "A change that only tightens limits is accepted meanwhile")
		}
		a := m.must(alice, ChangeLimits{Limits: []byte(`{"max_bot_drawdown_pct":"0.1"}`), Reason: "tighter"})
		require.Equal(t, domain.Duration(tt.behind), a.ClockBehind)
		recs := m.records()
		recs = recs[last.Revision+1:]
		require.Equal(t, domain.LimitsChangedType, recs[0].Type)
		require.Equal(t, domain.BreakerTrippedType, recs[1].Type, "a loss of 10 %")
		for _, rec := range recs {
			require.Equal(t, last.Time, rec.Time, "the last record's time")
			meta, err := domain.DecodeMetadata(rec.Metadata)
			require.NoError(t, err)
			require.Equal(t, domain.Duration(tt.behind), meta.ClockBehind)
		}
		_, err := m.do(alice, uuid.NewString(), ChangeLimits{Limits: []byte(`{"max_bot_drawdown_pct":"0.2"}`), Reason: "looser again"})
		if tt.behind > 0 {
			requireCode(t, domain.CodeClock, err)
		} else {
			require.NoError(t, err)
		}
		m.check()
	}
}

// "With today's meaning of opening and reducing": an order that only closes a position is
// accepted; one that opens, even in part, is not, and neither is an arbitrage.
func TestClosingPassesAWrongClock(t *testing.T) {
	m := yearAhead(t)
	bot := botCaller("a")
	m.refused(domain.CodeClock, bot, permit("a", "1"))
	m.refused(domain.CodeClock, bot, sell("10.01"))
	legs := AskPermit{Bot: "a", Intent: domain.IntentArbitrage, Legs: []Leg{{}, {}}}
	m.refused(domain.CodeClock, bot, legs)
	for _, c := range []AskPermit{permit("a", "1"), sell("11"), {Bot: "a", Intent: domain.IntentArbitrage, Legs: []Leg{{}, {}}}} {
		_, err := c.Preview(fold(t, m.store), m.clock.Now(), bot)
		requireCode(t, domain.CodeClock, err)
		var refused *domain.Error // "do not retry what cannot pass within the patience"
		require.ErrorAs(t, err, &refused)
		require.Equal(t, domain.Lasting, refused.After, "it is a year behind")
	}
	p, err := sell("10").Preview(fold(t, m.store), m.clock.Now(), bot)
	require.NoError(t, err)
	require.True(t, p.Allowed)
	first := m.must(bot, sell("6"))
	require.True(t, first.Permit.Allowed)
	require.Equal(t, domain.Duration(364*24*time.Hour), first.ClockBehind)
	m.refused(domain.CodeClock, bot, sell("5")) // the first closes 6 of 10
	require.True(t, m.must(bot, sell("4")).Permit.Allowed)
	m.must(bot, PlacePermit{Permit: first.Permit.PermitID})
	exec := fill("a", "2", "sell", "6", "0.5")
	exec.PermitID = first.Permit.PermitID
	m.must(bot, exec)
	m.check()
}

// A permit must not live for ever during a standstill: it ends by the monotonic clock,
// and with a restart, after which it is unknown how long it was held.
func TestPermitsEndWhileTimeStandsStill(t *testing.T) {
	m := yearAhead(t)
	bot := botCaller("a")
	held, placed := m.must(bot, sell("1")).Permit.PermitID, m.must(bot, sell("2")).Permit.PermitID
	m.must(bot, PlacePermit{Permit: placed})
	m.pass(29 * time.Second)
	later := m.must(bot, sell("3")).Permit.PermitID
	require.NotNil(t, fold(t, m.store).Permits[held])
	m.pass(time.Second)
	a := m.must(olga, deposit("1"))
	require.Equal(t, []string{domain.ClockJumpedType, domain.DepositRecordedType}, types(a))
	s := fold(t, m.store)
	require.Nil(t, s.Permits[held])
	require.NotNil(t, s.Permits[placed], "an order that rests keeps its permit")
	require.NotNil(t, s.Permits[later])
	m.refused(domain.CodeNotFound, bot, PlacePermit{Permit: held})

	m.restart()
	require.True(t, m.must(bot, sell("8")).Permit.Allowed, "what the restart ended closes nothing any more")
	require.Nil(t, fold(t, m.store).Permits[later])
	jumps := m.jumps()
	require.Equal(t, domain.ClockJumped{By: domain.Duration(-364*24*time.Hour + 30*time.Second), PermitsExpired: []string{later}}, jumps[len(jumps)-1])
	m.check()
}

// A permit granted during a standstill ends with a restart, also if the clock is right
// again by the first command, and if the state comes from a snapshot.
func TestARestartAfterAStandstill(t *testing.T) {
	for name, o := range map[string]Options{"folded": {}, "snapshot": {Checkpoints: &cache{}}} {
		t.Run(name, func(t *testing.T) {
			m := newTwoClocks(t)
			m.opened("a")
			m.must(olga, fill("a", "1", "buy", "10", "0.5"))
			m.clock.add(time.Minute)
			m.must(olga, deposit("1"))
			m.clock.add(-time.Minute)
			m.again(o)
			bot := botCaller("a")
			held, placed := m.must(bot, sell("1")).Permit.PermitID, m.must(bot, sell("2")).Permit.PermitID
			m.must(bot, PlacePermit{Permit: placed})
			m.again(o)
			m.pass(time.Minute + time.Second)
			a := m.must(bot, sell("3"))
			require.Equal(t, []string{domain.ClockJumpedType, domain.PermitGrantedType}, types(a))
			s := fold(t, m.store)
			require.Nil(t, s.Permits[held])
			require.NotNil(t, s.Permits[placed])
			require.NotNil(t, s.Permits[a.Permit.PermitID])
			require.Len(t, m.must(olga, deposit("1")).events, 1, "it is ended once")
			m.again(o)
			m.must(bot, PlacePermit{Permit: a.Permit.PermitID})
			m.check()
		})
	}
}

// A permit that another server grants during a standstill is held from when this one sees
// it.
func TestAPermitOfAnotherServerInAStandstill(t *testing.T) {
	m := yearAhead(t)
	other := m.rig.writer(Options{Monotonic: m.elapsed.now})
	m.must(olga, deposit("1"))
	held, err := other.Do(m.ctx(), Request{Caller: botCaller("a"), Key: "other", Command: sell("1")})
	require.NoError(t, err)
	require.True(t, held.Permit.Allowed)
	m.must(olga, deposit("1"))
	m.pass(29 * time.Second)
	m.must(olga, deposit("1"))
	require.NotNil(t, fold(t, m.store).Permits[held.Permit.PermitID])
	m.pass(time.Second)
	m.must(olga, deposit("1"))
	require.Nil(t, fold(t, m.store).Permits[held.Permit.PermitID])
	m.check()
}

// "Stops are never refused for the clock": however many permits have ended meanwhile,
// their ends fit the record of a stop. Two bots may have 2,000.
func TestManyPermitsThatEndedBlockNoStop(t *testing.T) {
	for _, restarted := range []bool{false, true} {
		t.Run(fmt.Sprint("restarted ", restarted), func(t *testing.T) {
			m := newTwoClocks(t)
			m.must(olga, openMain())
			m.must(olga, deposit("10000"))
			for _, bot := range []string{"a", "b"} {
				m.must(olga, RegisterBot{ID: bot, Capital: dec("2000"), Start: true})
				m.must(olga, fill(bot, "1", "buy", "1000", "0.5"))
			}
			m.clock.add(time.Hour)
			m.must(olga, deposit("1"))
			m.clock.add(-59 * time.Minute)
			m.must(olga, deposit("1"))
			for _, bot := range []string{"a", "b"} {
				var batch []Request
				for i := range 1000 {
					c := permit(bot, "1")
					c.Side, c.LimitPrice, c.ReduceOnly = domain.Sell, dec("0.9"), true
					batch = append(batch, Request{Caller: botCaller(bot), Key: fmt.Sprint(bot, i), Command: c})
				}
				results, err := m.w.DoEach(m.ctx(), batch)
				require.NoError(t, err)
				for _, r := range results {
					require.NoError(t, r.Err)
				}
			}
			require.Len(t, fold(t, m.store).Unplaced(), 2000)
			m.pass(31 * time.Second)
			if restarted {
				m.clock.add(2 * time.Hour)
				m.restart()
			}
			require.LessOrEqual(t, len(m.must(olga, manual()).events), 2)
			require.Empty(t, fold(t, m.store).Unplaced())
			m.check()
		})
	}
}

// Each end is recorded once, however often the store fails.
func TestAStandstillSurvivesFailedAppends(t *testing.T) {
	m := yearAhead(t)
	bot := botCaller("a")
	held := m.must(bot, sell("1")).Permit.PermitID
	m.pass(31 * time.Second)
	m.store.plan(fault{err: &eventstore.Unavailable{}}, fault{err: &eventstore.Conflict{}}, fault{err: &eventstore.Ambiguous{}, write: true})
	m.refused(domain.CodeUnavailable, olga, deposit("1"))
	a := m.must(olga, deposit("2"))
	require.Equal(t, []string{domain.ClockJumpedType, domain.DepositRecordedType}, types(a))
	require.Equal(t, []string{domain.DepositRecordedType}, types(m.must(olga, deposit("3"))))
	require.Nil(t, fold(t, m.store).Permits[held])
	m.check()
}

// Permits that were granted before the clock fell behind have expired, as with any jump.
func TestFallingBehindEndsPermits(t *testing.T) {
	m := newTwoClocks(t)
	m.opened("a")
	first := m.must(botCaller("a"), permit("a", "1")).Permit.PermitID
	m.clock.add(-time.Hour)
	m.restart() // so that nothing was seen to jump
	a := m.must(olga, deposit("1"))
	require.Equal(t, []string{domain.ClockJumpedType, domain.DepositRecordedType}, types(a))
	require.Nil(t, fold(t, m.store).Permits[first])
	m.must(olga, deposit("1"))
	require.Len(t, m.jumps(), 1)
	m.check()
}

// "Two people may accept the clock: time then runs on from the last record at the wall
// clock's pace; the override records the offset."
func TestTwoPeopleAcceptTheClock(t *testing.T) {
	m := yearAhead(t)
	last := fold(t, m.store).Time
	peter := domain.Caller{User: "peter", Role: domain.RoleApprover}
	m.refused(domain.CodeClock, olga, RequestOverride{Kind: domain.OverrideGoLive, Portfolio: "real", Reason: "no"})
	id := m.must(olga, RequestOverride{Kind: domain.OverrideClock, Reason: "the year was wrong"}).ID
	m.pass(time.Minute)
	m.refused(domain.CodeDenied, domain.Caller{User: "Olga", Role: domain.RoleApprover}, ConfirmOverride{Override: id})
	m.must(peter, ConfirmOverride{Override: id})
	s := fold(t, m.store)
	require.Equal(t, last, s.Time)
	require.Equal(t, domain.Duration(364*24*time.Hour-time.Minute), s.ClockOffset)
	m.restart()
	m.pass(10 * time.Second)
	a := m.must(botCaller("a"), permit("a", "1"))
	require.True(t, a.Permit.Allowed)
	require.Zero(t, a.ClockBehind)
	require.Equal(t, last.Add(10*time.Second), fold(t, m.store).Time)
	expires := m.clock.Now().Add(time.Hour) // of the order, by the venue's clock
	m.must(botCaller("a"), PlacePermit{Permit: a.Permit.PermitID, ExpiresAt: &expires})
	require.Equal(t, last.Add(10*time.Second+time.Hour), fold(t, m.store).Permits[a.Permit.PermitID].ExpiresAt)
	m.refused(domain.CodeConflict, olga, RequestOverride{Kind: domain.OverrideClock, Reason: "again"})
	m.check()
}

// Both people must have seen the same clock: if it was moved meanwhile, or a day has
// passed, the request is no longer valid.
func TestAcceptingAnotherClock(t *testing.T) {
	peter := domain.Caller{User: "peter", Role: domain.RoleApprover}
	for name, moved := range map[string]time.Duration{"back": -time.Hour, "a day on": 24*time.Hour + 1, "right": 364 * 24 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			m := yearAhead(t)
			id := m.must(olga, RequestOverride{Kind: domain.OverrideClock, Reason: "the year was wrong"}).ID
			m.clock.add(moved)
			m.refused(domain.CodeConflict, peter, ConfirmOverride{Override: id})
			m.check()
		})
	}
}

// "If it is in the system stream, the keys": nothing there depends on the time, so a
// wrong clock does not prevent revoking, issuing or recording denials.
func TestTheSystemStreamUnderAWrongClock(t *testing.T) {
	store, wall := newFaulty(t), newClock()
	w := NewSystemWriter(store, Options{Now: wall.Now})
	t.Cleanup(w.Close)
	do := func(c Command) Answer {
		a, err := w.Do(t.Context(), Request{Caller: alice, Key: uuid.NewString(), Command: c})
		require.NoError(t, err, nameOf(c))
		return a
	}
	hash := func(c string) string { return strings.Repeat(c, 64) }
	do(BootstrapKey{User: "alice", Hash: hash("a")})
	wall.add(365 * 24 * time.Hour)
	olgas := do(IssueKey{User: "olga", Role: domain.RoleOperator, Hash: hash("b")}).ID
	wall.add(-365 * 24 * time.Hour)
	for _, c := range []Command{
		RevokeKey{Key: olgas},
		RecordDenials{Denials: []domain.AccessDenied{{Source: "192.0.2.1", Code: "denied", Count: 1}}},
		IssueKey{User: "paul", Role: domain.RoleApprover, Hash: hash("c")},
		ClaimWallet{Address: someAddress, Wallet: "hot-1", Portfolio: "main"},
		StartKeyRotation{To: "0a0a0a0a"},
	} {
		require.Equal(t, domain.Duration(365*24*time.Hour), do(c).ClockBehind, nameOf(c))
	}
}

// "A clock more than 24 h ahead of the last record at start is asked about, not refused",
// once.
func TestAClockFarAheadIsAskedAbout(t *testing.T) {
	for ahead, asked := range map[time.Duration]bool{24 * time.Hour: false, 24*time.Hour + 1: true, -time.Hour: false} {
		r := newRig(t).opened("a")
		r.clock.add(ahead)
		r.w.Close()
		var told []time.Duration
		r.w = r.writer(Options{Ahead: func(stream string, by time.Duration) {
			require.Equal(t, Stream("main"), stream)
			told = append(told, by)
		}})
		require.NoError(t, r.w.Load(r.ctx()))
		r.must(olga, deposit("1"))
		if asked {
			require.Equal(t, []time.Duration{ahead}, told)
		} else {
			require.Empty(t, told)
		}
		r.check()
	}
}

// An offset that two people accepted still applies after a start from a snapshot.
func TestTheSnapshotKeepsTheOffset(t *testing.T) {
	m := yearAhead(t)
	id := m.must(olga, RequestOverride{Kind: domain.OverrideClock, Reason: "the year was wrong"}).ID
	m.must(domain.Caller{User: "peter", Role: domain.RoleApprover}, ConfirmOverride{Override: id})
	b, err := fold(t, m.store).Snapshot()
	require.NoError(t, err)
	restored, err := portfolio.Restore(b)
	require.NoError(t, err)
	require.Equal(t, domain.Duration(364*24*time.Hour), restored.ClockOffset)
}

// "Ready though starts get 503": right after the start, without any command, it is known
// by how much the wall clock is behind, and for as long as it is.
func TestTheEngineKnowsThatTimeStandsStill(t *testing.T) {
	store, wall := newFaulty(t), newClock()
	start := func() *Engine {
		e := NewEngine(store, EngineOptions{Options: Options{Now: wall.Now}})
		t.Cleanup(e.Close)
		require.NoError(t, e.Load(t.Context(), nil))
		return e
	}
	e := start()
	require.Zero(t, e.Health().ClockBehind)
	_, err := e.Do(t.Context(), "main", Request{Caller: alice, Key: "k", Command: OpenPortfolio{ID: "main", Mode: domain.ModePaper, BaseAsset: "USDC", BaseDecimals: 6, Defaults: domain.DefaultPolicy(domain.ModePaper)}})
	require.NoError(t, err)
	require.Zero(t, e.Health().ClockBehind)
	wall.add(-365 * 24 * time.Hour)
	for _, engine := range []*Engine{e, start()} {
		require.Equal(t, 365*24*time.Hour, engine.Health().ClockBehind)
		require.Equal(t, 1, engine.Health().StandStill)
	}
	wall.add(364 * 24 * time.Hour)
	require.Equal(t, 24*time.Hour, e.Health().ClockBehind)
	wall.add(24*time.Hour - time.Second)
	require.Zero(t, e.Health().ClockBehind, "a second is no standstill")
}

// "After override clock is confirmed: true words": a portfolio whose clock two people accepted
// does not stand still.
func TestAnAcceptedClockStandsStillNoMore(t *testing.T) {
	store, wall := newFaulty(t), newClock()
	e := NewEngine(store, EngineOptions{Options: Options{Now: wall.Now}})
	t.Cleanup(e.Close)
	require.NoError(t, e.Load(t.Context(), nil))
	do := func(portfolio, key string, caller domain.Caller, c Command) Answer {
		a, err := e.Do(t.Context(), portfolio, Request{Caller: caller, Key: key, Command: c})
		require.NoError(t, err)
		return a
	}
	for _, id := range []string{"main", "other"} {
		do(id, "open"+id, alice, OpenPortfolio{ID: id, Mode: domain.ModePaper, BaseAsset: "USDC", BaseDecimals: 6, Defaults: domain.DefaultPolicy(domain.ModePaper)})
	}
	wall.add(-time.Hour)
	require.Equal(t, 2, e.Health().StandStill)
	id := do("main", "ask", olga, RequestOverride{Kind: domain.OverrideClock, Reason: "the hour was wrong"}).ID
	do("main", "confirm", domain.Caller{User: "peter", Role: domain.RoleApprover}, ConfirmOverride{Override: id})
	require.Equal(t, 1, e.Health().StandStill, "in the other one nobody has")
}
