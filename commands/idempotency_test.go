package commands

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/eventstore"
	"pets/eventstore/embedded"
)

// onEngines runs a test on the memory store and on the real one.
func onEngines(t *testing.T, test func(t *testing.T, r *rig)) {
	t.Helper()
	t.Run("memory", func(t *testing.T) { test(t, newRig(t)) })
	t.Run("embedded", func(t *testing.T) {
		r := newRig(t)
		r.w.Close()
		store, err := embedded.Open(t.TempDir(), embedded.Options{})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, store.Close()) })
		r.store.Store = store
		r.w = r.writer()
		test(t, r)
	})
}

// "Same key and body → the first answer", 1,000 times at once, by two servers, in the
// same batches: one effect.
func TestTheSameCommand1000TimesHasOneEffect(t *testing.T) {
	onEngines(t, func(t *testing.T, r *rig) {
		r.opened("a")
		all := len(r.records())
		writers := []*Writer{r.w, r.writer()}
		const times = 1000
		answers := make([]Answer, times)
		errs := make([]error, times)
		ctx := r.ctx()
		var wg sync.WaitGroup
		for i := range times {
			wg.Go(func() {
				answers[i], errs[i] = writers[i%2].Do(ctx, Request{Caller: botCaller("a"), Key: "k", Command: permit("a", "10")})
			})
		}
		wg.Wait()
		fresh := 0
		for i := range times {
			require.NoError(t, errs[i])
			same(t, answers[0], answers[i])
			if !answers[i].Replayed {
				fresh++
			}
		}
		require.Equal(t, 1, fresh, "one of them is the first")
		require.True(t, answers[0].Permit.Allowed)
		require.Len(t, r.records(), all+1)

		r.restart()
		again, err := r.do(botCaller("a"), "k", permit("a", "10"))
		require.NoError(t, err)
		require.True(t, again.Replayed)
		same(t, answers[0], again)
		r.check()
	})
}

// "… the first answer (a pure function of the stored records), also after a restart and
// from another server": for every command that has an answer.
func TestEveryAnswerIsRecalledAsItWas(t *testing.T) {
	onEngines(t, func(t *testing.T, r *rig) {
		fee, at := dec("0.1"), noon.Add(-time.Hour)
		provisional := fill("a", "prov", "buy", "1", "0.4")
		provisional.Status, provisional.EffectiveAt, provisional.Fee = domain.FillProvisionalStatus, &at, fee
		approver := domain.Caller{User: "paul", Role: domain.RoleApprover}
		requests := []Request{
			{Caller: olga, Command: openMain()},
			{Caller: olga, Command: deposit("10000")},
			{Caller: olga, Command: RegisterBot{ID: "a", Capital: dec("1000"), Start: true}},
			{Caller: olga, Command: RegisterBot{ID: "b", Capital: dec("100")}},
			{Caller: olga, Command: RegisterMarket{Market: "coin", Kind: domain.KindSpot}},
			{Caller: botCaller("a"), Command: permit("a", "10")},
			{Caller: botCaller("a"), Command: permit("a", "100000")},
			{Caller: botCaller("a"), Command: permit("a", "100000")}, // coalesced
			{Caller: olga, Command: AllocateCapital{Bot: "a", Amount: dec("10.5")}},
			{Caller: botCaller("a"), Command: fill("a", "1", "buy", "10", "0.5")},
			{Caller: botCaller("a"), Command: fill("a", "1", "buy", "10", "0.5")}, // the same fill under another key
			{Caller: botCaller("a"), Command: provisional},
			{Caller: botCaller("a"), Command: VoidFill{FillID: provisional.FillID}},
			{Caller: olga, Command: MarkPrices{Marks: []domain.Mark{{Market: "m", Outcome: "YES", Price: dec("0.6")}}}},
			{Caller: olga, Command: StopBot{Bot: "a", Reason: "lunch"}},
			{Caller: olga, Command: StartBot{Bot: "a"}},
			{Caller: botCaller("a"), Command: fill("a", "2", "sell", "10", "0.0001")},
			{Caller: botCaller("a"), Command: RecordTrade{Bot: "a", Market: "z", PnL: dec("-1"), TradeID: "t1"}},
			{Caller: botCaller("a"), Command: RecordTrade{Bot: "a", Market: "z", PnL: dec("-1"), TradeID: "t2"}},
			{Caller: olga, Command: ResetBreaker{Breaker: domain.ConsecutiveLosses, Bot: "a", Reason: "looked at"}},
			{Caller: alice, Command: ChangeLimits{Limits: json.RawMessage(`{"max_consecutive_losses": 5}`), Reason: "paper"}},
			{Caller: olga, Command: EngageStop{Kind: domain.StopManual, Reason: "fire"}},
			{Caller: olga, Command: RequestClear{Reason: "out"}},
			{Caller: approver, Command: ConfirmClear{Request: "?"}},
			{Caller: olga, Command: SettleMarket{Instrument: domain.Instrument{Market: "m", Outcome: "YES"}, Payout: dec("1")}},
			{Caller: olga, Command: RecordFee{Amount: dec("0.5"), Kind: domain.FeeRebate, Bot: "a"}},
			{Caller: olga, Command: RecordWithdrawal{Wallet: domain.WalletHot, Amount: dec("1")}},
			{Caller: alice, Command: PostAdjustment{Account: "hot:treasury", Amount: dec("1"), Reason: "found it"}},
		}
		first := make([]Answer, len(requests))
		for i := range requests {
			r.clock.add(10 * time.Millisecond)
			if _, ok := requests[i].Command.(ConfirmClear); ok {
				requests[i].Command = ConfirmClear{Request: fold(t, r.store.Store).Stop.Request}
			}
			requests[i].Key = fmt.Sprint("same-", i)
			var err error
			first[i], err = r.w.Do(r.ctx(), requests[i])
			require.NoError(t, err, "%s", nameOf(requests[i].Command))
			stored(t, r.records(), first[i])
		}
		all := len(r.records())
		r.restart()
		for _, w := range []*Writer{r.w, r.writer()} {
			for i := range requests {
				again, err := w.Do(r.ctx(), requests[i])
				require.NoError(t, err)
				require.True(t, again.Replayed)
				same(t, first[i], again)
				a, _ := json.Marshal(first[i])
				b, _ := json.Marshal(again)
				require.Equal(t, string(a), string(b))
			}
		}
		require.Len(t, r.records(), all)
		require.Equal(t, []string{"stop"}, actions(first[18]), "%v", types(first[18]))
		r.check()
	})
}

func actions(a Answer) []string {
	var out []string
	for _, d := range a.Directives {
		out = append(out, d.Action)
	}
	return out
}

// The same key twice in one batch, before any of it is durable.
func TestTheSameKeyTwiceInOneBatch(t *testing.T) {
	r := newRig(t).opened("a")
	gate := make(chan struct{})
	r.store.plan(fault{gate: gate})
	held := r.start(r.ctx(), olga, "held", deposit("1"))
	soon(t, r.store.blocked)
	first := r.start(r.ctx(), botCaller("a"), "k", permit("a", "10"))
	r.waitQueued(1)
	again := r.start(r.ctx(), botCaller("a"), "k", permit("a", "10"))
	r.waitQueued(2)
	other := r.start(r.ctx(), botCaller("a"), "k", permit("a", "11"))
	r.waitQueued(3)
	close(gate)
	require.NoError(t, soon(t, held).err)
	one, two := soon(t, first), soon(t, again)
	require.NoError(t, one.err)
	require.NoError(t, two.err)
	require.False(t, one.answer.Replayed)
	require.True(t, two.answer.Replayed)
	same(t, one.answer, two.answer)
	requireCode(t, domain.CodeIdempotencyMismatch, soon(t, other).err)
	r.check()
}

// "Same key, other body → 422", whatever differs: the amount, the command, the portfolio,
// the row's time.
func TestTheSameKeyForAnotherRequestIsAMismatch(t *testing.T) {
	r := newRig(t).opened("a")
	_, err := r.do(olga, "k", deposit("1"))
	require.NoError(t, err)
	all := len(r.records())
	for _, c := range []Command{deposit("2"), RecordDeposit{Wallet: "cold", Amount: dec("1")}, RecordWithdrawal{Wallet: "hot", Amount: dec("1")}, StartBot{"a"}} {
		_, err := r.do(olga, "k", c)
		requireCode(t, domain.CodeIdempotencyMismatch, err)
	}
	require.Len(t, r.records(), all)
	r.check()
}

// "command_id = UUIDv5(scope, Idempotency-Key)": the same key of another user or bot is
// another command.
func TestTheSameKeyOfAnotherCallerIsAnotherCommand(t *testing.T) {
	r := newRig(t).opened("a", "b")
	callers := []domain.Caller{
		olga, {User: "otto", Role: domain.RoleOperator}, {User: "olga2", Role: domain.RoleAdmin},
	}
	for _, c := range callers {
		a, err := r.do(c, "k", deposit("1"))
		require.NoError(t, err)
		require.False(t, a.Replayed)
	}
	for _, bot := range []string{"a", "b"} {
		a, err := r.do(domain.Caller{User: "u", Role: domain.RoleBot, Bot: bot}, "k", permit(bot, "1"))
		require.NoError(t, err)
		require.False(t, a.Replayed)
	}
	require.Equal(t, "10003", fold(t, r.store.Store).NetDeposits().String())
	r.check()
}

// "Money that is suggested to be booked is booked once, however many people paste the line": the
// key of a suggestion is one for all people, for money that comes in, goes out or is given to a bot.
func TestASuggestionIsBookedOnceForAllPeople(t *testing.T) {
	r := newRig(t).opened("a")
	otto, admin := domain.Caller{User: "otto", Role: domain.RoleOperator}, domain.Caller{User: "ada", Role: domain.RoleAdmin}
	key := SuggestedKey("difference", "main", "hot", "USDC", "25", "2026-11-29")
	require.Equal(t, key, SuggestedKey("difference", "main", "hot", "USDC", "25", "2026-11-29"))
	require.NotEqual(t, key, SuggestedKey("difference", "main", "hot", "USDC", "25", "2026-11-30"))
	for i, c := range []Command{deposit("25"), RecordWithdrawal{Wallet: "hot", Amount: dec("25")}, AllocateCapital{Bot: "a", Amount: dec("25")}} {
		key := SuggestedKey(strconv.Itoa(i))
		first, err := r.do(olga, key, c)
		require.NoError(t, err)
		for _, who := range []domain.Caller{otto, admin, olga} {
			again, err := r.do(who, key, c)
			require.NoError(t, err)
			require.True(t, again.Replayed, "%T by %s", c, who.User)
			require.Equal(t, first.Revision, again.Revision)
		}
		_, err = r.do(otto, key, deposit("26"))
		requireCode(t, domain.CodeIdempotencyMismatch, err)
	}
	// Whatever is not money stays that of a person.
	for _, who := range []domain.Caller{olga, otto} {
		a, err := r.do(who, key, StopBot{Bot: "a", Reason: "drill"})
		require.NoError(t, err)
		require.False(t, a.Replayed)
	}
	r.check()
}

// "Missing → 400", and limit − 1, limit, limit + 1 of its length.
func TestTheKeyIsRequiredAndBounded(t *testing.T) {
	r := newRig(t).opened()
	for n, ok := range map[int]bool{0: false, 1: true, MaxKeyBytes - 1: true, MaxKeyBytes: true, MaxKeyBytes + 1: false} {
		_, err := r.do(olga, strings.Repeat("k", n), deposit("1"))
		if ok {
			require.NoError(t, err, "%d bytes", n)
			continue
		}
		requireCode(t, domain.CodeInvalid, err)
	}
	r.check()
}

// "4xx answers are not remembered": the same key may succeed later.
func TestARefusalIsNotRemembered(t *testing.T) {
	r := newRig(t).opened()
	_, err := r.do(olga, "k", AllocateCapital{Bot: "a", Amount: dec("5")})
	requireCode(t, domain.CodeNotFound, err)
	r.must(olga, RegisterBot{ID: "a"})
	a, err := r.do(olga, "k", AllocateCapital{Bot: "a", Amount: dec("5")})
	require.NoError(t, err)
	require.False(t, a.Replayed)
	r.check()
}

// "… except a denied permit": asked again with the same key, it stays denied,
// although it would be granted now.
func TestADeniedPermitIsRemembered(t *testing.T) {
	r := newRig(t).opened("a")
	first, err := r.do(botCaller("a"), "k", permit("a", "3000"))
	require.NoError(t, err)
	require.False(t, first.Permit.Allowed)
	require.Equal(t, domain.ReasonInsufficientCash, first.Permit.Reasons[0].Code)
	r.must(olga, AllocateCapital{Bot: "a", Amount: dec("5000")})
	again, err := r.do(botCaller("a"), "k", permit("a", "3000"))
	require.NoError(t, err)
	require.True(t, again.Replayed)
	same(t, first, again)
	fresh, err := r.do(botCaller("a"), "other key", permit("a", "3000"))
	require.NoError(t, err)
	require.True(t, fresh.Permit.Allowed)
	r.check()
}

// "Identical denials within a second are coalesced", and answered with the first one's
// reasons: at 999 ms, but not at 1 s.
func TestACoalescedDenialGivesTheFirstReasons(t *testing.T) {
	r := newRig(t).opened("a")
	first := r.must(botCaller("a"), permit("a", "3000"))
	r.clock.add(999 * time.Millisecond)
	second := r.must(botCaller("a"), permit("a", "3000"))
	require.Equal(t, []string{domain.CommandNotedType}, types(second))
	require.Equal(t, first.Permit, second.Permit)
	r.clock.add(time.Millisecond)
	third := r.must(botCaller("a"), permit("a", "3000"))
	require.Equal(t, []string{domain.PermitDeniedType}, types(third))
	require.Equal(t, first.Permit.Reasons, third.Permit.Reasons)
	r.check()
}

// "Every command answered 2xx appended at least one record (command.noted.v1 if
// nothing else), so that its retry can never act later."
func TestACommandWithNothingToSayIsNoted(t *testing.T) {
	r := newRig(t).opened("a")
	a, err := r.do(olga, "k", StartBot{Bot: "a"})
	require.NoError(t, err)
	require.Equal(t, []string{domain.CommandNotedType}, types(a))
	r.must(olga, StopBot{Bot: "a"})
	again, err := r.do(olga, "k", StartBot{Bot: "a"})
	require.NoError(t, err)
	require.True(t, again.Replayed)
	require.EqualValues(t, "stopped", fold(t, r.store.Store).Bots["a"].Status)
	r.check()
}

// "Ambiguous: the caller reads the stream and looks for its ids before it answers
// anybody": one effect, whether the append happened or not, and the first answer.
func TestAnAmbiguousAppendHasOneEffect(t *testing.T) {
	for _, written := range []bool{true, false} {
		for _, times := range []int{1, 3} {
			t.Run(fmt.Sprint("written=", written, ",times=", times), func(t *testing.T) {
				r := newRig(t).opened("a")
				all := len(r.records())
				for range times {
					r.store.plan(fault{err: errUnknown, write: written})
				}
				first, err := r.do(olga, "k", deposit("5"))
				require.NoError(t, err)
				require.False(t, first.Replayed, "it is its own")
				stored(t, r.records(), first)
				again, err := r.do(olga, "k", deposit("5"))
				require.NoError(t, err)
				same(t, first, again)
				require.True(t, again.Replayed)
				require.Len(t, r.records(), all+1)
				r.check()
			})
		}
	}
}

// An ambiguous append that succeeds late, after the stream was read and before the next
// append: the ids are the same, the time is not. The answer is that of the stored
// records.
func TestALateAmbiguousAppendIsAnsweredAsStored(t *testing.T) {
	r := newRig(t).opened("a")
	all := len(r.records())
	var late func()
	r.store.plan(
		fault{err: errUnknown, before: func() { r.clock.add(time.Minute) }},
		fault{before: func() { late() }},
	)
	// The first attempt takes a while, and was decided a minute earlier.
	stale := &capture{faulty: r.store}
	r.w.Close()
	r.w = NewWriter(stale, "main", Options{Now: r.clock.Now})
	t.Cleanup(r.w.Close)
	late = func() {
		_, err := r.store.Store.Append(context.Background(), stale.stream, stale.expected, stale.first)
		require.NoError(t, err)
	}
	a, err := r.do(botCaller("a"), "k", permit("a", "10"))
	require.NoError(t, err)
	require.Len(t, r.records(), all+1)
	require.Equal(t, noon.Add(30*time.Second), *a.Permit.ExpiresAt, "the stored permit's, not the second attempt's")
	again, err := r.do(botCaller("a"), "k", permit("a", "10"))
	require.NoError(t, err)
	same(t, a, again)
	r.must(olga, deposit("1"))
	r.check()
}

// capture keeps the first append it sees.
type capture struct {
	*faulty
	stream   string
	expected eventstore.Expected
	first    []eventstore.Proposed
}

func (c *capture) Append(ctx context.Context, stream string, expected eventstore.Expected, records []eventstore.Proposed) (eventstore.Appended, error) {
	if c.first == nil {
		c.stream, c.expected, c.first = stream, expected, records
	}
	return c.faulty.Append(ctx, stream, expected, records)
}

// "Killed between append and answer": the caller leaves while the append blocks; the
// append succeeds; the retry gets the first answer.
func TestACallerWhoGivesUpFindsTheAnswerLater(t *testing.T) {
	onEngines(t, func(t *testing.T, r *rig) {
		r.opened("a")
		all := len(r.records())
		gate := make(chan struct{})
		r.store.plan(fault{gate: gate})
		ctx, cancel := context.WithCancel(t.Context())
		out := r.start(ctx, botCaller("a"), "k", permit("a", "10"))
		soon(t, r.store.blocked)
		cancel()
		require.ErrorIs(t, soon(t, out).err, context.Canceled)
		close(gate)
		a, err := r.do(botCaller("a"), "k", permit("a", "10"))
		require.NoError(t, err)
		require.True(t, a.Replayed)
		require.True(t, a.Permit.Allowed)
		require.Len(t, r.records(), all+1)
		r.restart()
		again, err := r.do(botCaller("a"), "k", permit("a", "10"))
		require.NoError(t, err)
		same(t, a, again)
		r.check()
	})
}

// A caller who leaves before his turn has done nothing.
func TestACallerWhoGivesUpInTheQueueHasDoneNothing(t *testing.T) {
	r := newRig(t).opened()
	gate := make(chan struct{})
	r.store.plan(fault{gate: gate})
	held := r.start(r.ctx(), olga, "held", deposit("1"))
	soon(t, r.store.blocked)
	ctx, cancel := context.WithCancel(t.Context())
	out := r.start(ctx, olga, "k", deposit("5"))
	r.waitQueued(1)
	cancel()
	require.ErrorIs(t, soon(t, out).err, context.Canceled)
	close(gate)
	require.NoError(t, soon(t, held).err)
	a, err := r.do(olga, "k", deposit("5"))
	require.NoError(t, err)
	require.False(t, a.Replayed)
	r.check()
}

// "Once" does not depend on the role or the case of a name: the same body under the same
// key, sent by one person in any of his roles, is executed once, also after a restart;
// another body is a mismatch.
func TestOncePerPersonWhateverTheRole(t *testing.T) {
	onEngines(t, func(t *testing.T, r *rig) {
		r.opened("a")
		first, err := r.do(olga, "k", deposit("1"))
		require.NoError(t, err)
		all := len(r.records())
		for range 2 {
			for _, c := range []domain.Caller{{User: "olga", Role: domain.RoleAdmin}, {User: "Olga", Role: domain.RoleOperator}, {User: "OLGA", Role: domain.RoleAdmin}} {
				again, err := r.do(c, "k", deposit("1"))
				require.NoError(t, err, "%v", c)
				require.True(t, again.Replayed)
				same(t, first, again)
				_, err = r.do(c, "k", deposit("2"))
				requireCode(t, domain.CodeIdempotencyMismatch, err)
			}
			r.restart()
		}
		require.Len(t, r.records(), all)
		r.check()
	})
}

// "Commands already recorded keep their identity": a command of an earlier build, whose
// scope was role, name and bot, is found by its sender, and by the same person in another
// role, if the request is the same. Another request under another role was another
// command.
func TestCommandsOfEarlierBuildsAreFound(t *testing.T) {
	r := newRig(t).opened("a")
	former := func(c domain.Caller, command Command, event domain.Event) {
		request := Request{Caller: c, Key: "k", Command: command}
		body, err := canonical(&request)
		require.NoError(t, err)
		hash := requestHash(c.FormerScope(), "main", &request, body)
		id := commandID(c.FormerScope(), "k")
		meta, err := domain.EncodeMetadata(domain.Metadata{
			Actor: c.User, Role: c.Role, Bot: c.Bot, Command: nameOf(command), CommandID: id.String(), RequestHash: hex.EncodeToString(hash[:]),
		})
		require.NoError(t, err)
		data, err := domain.Encode(event)
		require.NoError(t, err)
		head, err := r.store.Head(t.Context(), r.w.stream)
		require.NoError(t, err)
		_, err = r.store.Store.Append(t.Context(), r.w.stream, eventstore.Expected(head), []eventstore.Proposed{
			{ID: recordID("main", id, uuid.New(), 0), Type: event.EventType(), Time: r.clock.Now(), Metadata: meta, Data: data},
		})
		require.NoError(t, err)
	}
	former(olga, deposit("5"), &domain.DepositRecorded{Wallet: domain.WalletHot, Amount: dec("5")})
	trade := RecordFee{Amount: dec("0.5"), Kind: domain.FeeRebate, Bot: "a"}
	former(botCaller("a"), trade, &domain.FeeRecorded{Amount: dec("0.5"), Kind: domain.FeeRebate, Bot: "a"})
	r.restart()
	all := len(r.records())
	admin := domain.Caller{User: "olga", Role: domain.RoleAdmin}
	for _, c := range []domain.Caller{olga, admin} {
		a, err := r.do(c, "k", deposit("5"))
		require.NoError(t, err)
		require.True(t, a.Replayed)
		require.Equal(t, uint64(all-2), a.Revision)
	}
	_, err := r.do(olga, "k", deposit("6"))
	requireCode(t, domain.CodeIdempotencyMismatch, err)
	require.Len(t, r.records(), all)
	sent := Request{Caller: botCaller("a"), Key: "k", Command: trade}
	_, found, _, _ := r.w.accepted.recorded("main", &sent, &identify("main", newKnownSpaces(), []Request{sent})[0])
	require.NotZero(t, found.count)
	a, err := r.do(admin, "k", deposit("7"))
	require.NoError(t, err)
	require.False(t, a.Replayed, "it was a command of its own")
	a, err = r.do(olga, "k", deposit("5"))
	require.NoError(t, err)
	require.True(t, a.Replayed, "and this one stays what it was")
	r.check()
}
