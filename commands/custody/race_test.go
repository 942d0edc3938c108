package custody_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/commands"
	"pets/domain"
	"pets/domain/portfolio"
	"pets/domain/risk"
	"pets/domain/treasury"
	"pets/eventstore"
	"pets/eventstore/esdb"
	"pets/eventstore/memory"
	"pets/internal/esdbtest"
	"pets/internal/testenv/signing"
)

// overtaking is a store in which another writer is quicker: before the first append of a
// type of record, the stream changes.
type overtaking struct {
	eventstore.Store
	of    string
	first func()
	once  sync.Once
	late  atomic.Bool
}

func (o *overtaking) Append(ctx context.Context, stream string, expected eventstore.Expected, records []eventstore.Proposed) (eventstore.Appended, error) {
	if slices.ContainsFunc(records, func(r eventstore.Proposed) bool { return r.Type == o.of }) {
		o.once.Do(func() {
			o.first()
			o.late.Store(true)
		})
	}
	return o.Store.Append(ctx, stream, expected, records)
}

// trips are the events that another server appends in between.
var trips = map[string]func(other *server){
	"a breaker":         func(other *server) { other.lose("76") },
	"an emergency stop": (*server).stop,
}

// tripOn is a trip on a kind of store.
type tripOn struct {
	open func(t *testing.T) eventstore.Store
	trip func(other *server)
}

// onEachStore returns each trip in memory, and on a database to which both servers are connected.
func onEachStore() map[string]tripOn {
	all := map[string]tripOn{}
	for name, trip := range trips {
		all[name] = tripOn{func(*testing.T) eventstore.Store { return memory.New() }, trip}
		all[name+", EventStoreDB"] = tripOn{inDatabase, trip}
	}
	return all
}

// inDatabase returns a store in an EventStoreDB.
func inDatabase(t *testing.T) eventstore.Store {
	t.Helper()
	address, err := esdb.Parse(esdbtest.Start(t, esdbtest.Options{}).URL())
	require.NoError(t, err)
	store, err := esdb.Open(t.Context(), address, esdb.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	return store
}

// "Released only after signature.made is appended there; a trip between the two must
// win": another server appends the trip at the moment at which this one appends
// signature.made. No signature is released, and the refusal is recorded.
func TestATripBetweenSigningAndAppendingWins(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, trip := range onEachStore() {
		t.Run(name, func(t *testing.T) {
			store, trip := trip.open(t), trip.trip
			setup := w.opened(store)
			permit := setup.permit(domain.Buy, "10")
			other := w.serve(store)
			racing := &overtaking{Store: store, of: domain.SignatureMadeType, first: func() { trip(other) }}
			s := w.serve(racing)
			key := someKey()
			a, signature, err := s.sign(key, permit, tenShares)
			require.NoError(t, err)
			require.True(t, racing.late.Load(), "it was signed, and about to be appended")
			require.Empty(t, signature)
			require.False(t, a.Signature.Signed)
			require.NotEmpty(t, a.Signature.Reasons)
			require.Empty(t, eventsOf[*domain.SignatureMade](s))
			require.Len(t, eventsOf[*domain.SignatureRefused](s), 1)
			again, signature, err := s.sign(key, permit, tenShares)
			require.NoError(t, err)
			require.Empty(t, signature)
			require.Equal(t, a.Revision, again.Revision, "the refusal is the answer")
		})
	}
}

// After the append the signature is released; asked for again after a trip it is not.
func TestATripAfterAppendingHoldsForRetries(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, trip := range onEachStore() {
		t.Run(name, func(t *testing.T) {
			store, trip := trip.open(t), trip.trip
			s, other := w.opened(store), w.serve(store)
			permit, key := s.permit(domain.Buy, "10"), someKey()
			s.signs(key, permit, tenShares)
			trip(other)
			s.withholds(key, permit, tenShares)
			other.withholds(key, permit, tenShares)
			other.withholds(someKey(), permit, tenShares)
			require.Len(t, eventsOf[*domain.SignatureMade](s), 1)
		})
	}
}

// The same for the transaction of a transfer, before it is signed and before it is sent.
func TestATripBetweenTheStepsOfATransferWins(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, trip := range trips {
		for _, before := range []string{domain.TransferPreparedType, domain.TransferSignedType, domain.TransferBroadcastType} {
			t.Run(name+" before "+before, func(t *testing.T) {
				store := memory.New()
				setup, block := w.opened(store), w.node.Head()
				id := setup.ask(commands.RequestTransfer{From: "hot", To: "cold", Amount: dec("10")})
				other := w.serve(store)
				racing := &overtaking{Store: store, of: before, first: func() { trip(other) }}
				s := w.serve(racing)
				for range 5 {
					_ = s.work()
				}
				require.True(t, racing.late.Load())
				require.Empty(t, eventsOf[*domain.TransferBroadcast](s))
				w.node.Mine(1)
				require.Empty(t, w.sent(w.hot, block))
				if before != domain.TransferBroadcastType {
					require.Empty(t, eventsOf[*domain.SignatureMade](s))
				}
				require.Equal(t, before == domain.TransferBroadcastType, s.transfer(id).Status == treasury.Signed)
			})
		}
	}
}

// Anyone who has the bytes of a transfer can send them: they are released only after it
// is recorded that they may be on their way, and a trip before that withholds them.
func TestBytesLeaveAfterBroadcastIsRecorded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	store := memory.New()
	s := w.opened(store)
	id, block := s.ask(commands.RequestTransfer{From: "hot", To: "cold", Amount: dec("10")}), w.node.Head()
	require.NoError(t, s.work())
	racing := w.serve(&overtaking{Store: store, of: domain.TransferBroadcastType, first: func() { s.lose("76") }})
	ask := by(olga, commands.SignTransfer{Transfer: id})
	_, signed, err := racing.custody.SignTransfer(s.ctx(), main, ask)
	s.code(domain.CodeHalted, err)
	require.Empty(t, signed)
	require.Equal(t, treasury.Signed, s.transfer(id).Status)

	s.must(olga, commands.ResetBreaker{Breaker: domain.BotDrawdown, Bot: "a", Reason: "a test", Rebase: true})
	_, signed, err = racing.custody.SignTransfer(s.ctx(), main, ask)
	require.NoError(t, err)
	require.Equal(t, treasury.Broadcast, s.transfer(id).Status)
	require.NoError(t, w.chain().Send(s.ctx(), chainID, signed.Raw)) // another caller is quicker than the server
	s.until(id, treasury.Confirmed)
	s.one(id, block)
}

// 8 askers at two servers while a breaker trips and is reset at random: each released
// signature was recorded at a revision at which nothing was tripped, and none is recorded
// at any other.
func TestAStormOfSignaturesAndTrips(t *testing.T) {
	t.Parallel()
	stormOfSignatures(t, memory.New())
}

func TestAStormOfSignaturesAndTripsInADatabase(t *testing.T) {
	t.Parallel()
	stormOfSignatures(t, inDatabase(t))
}

func stormOfSignatures(t *testing.T, store eventstore.Store) {
	t.Helper()
	w := newWorld(t)
	one := w.serve(store)
	one.open(`{"max_consecutive_losses": 1}`)
	two := w.serve(store)
	var askers, tripper sync.WaitGroup
	done := make(chan struct{})
	tripper.Go(func() {
		for trips := 0; ; trips++ {
			select {
			case <-done:
				if trips > 3 {
					return
				}
			case <-time.After(time.Duration(rand.IntN(8)) * time.Millisecond):
			}
			one.lose("0.01")
			one.must(olga, commands.ResetBreaker{Breaker: domain.ConsecutiveLosses, Bot: "a", Reason: "a test"})
			one.must(olga, commands.StartBot{Bot: "a"})
		}
	})
	var mu sync.Mutex
	released, refused := map[string]bool{}, 0
	for i := range 8 {
		s := []*server{one, two}[i%2]
		askers.Go(func() {
			for n := range *crashRounds * 3 {
				a, err := s.do(botA, commands.AskPermit{
					Bot: "a", Instrument: domain.Instrument{Market: "m", Outcome: "YES"}, Side: domain.Buy, Quantity: dec("1"), LimitPrice: dec("0.5"),
				})
				if err != nil || !a.Permit.Allowed {
					continue
				}
				permit := a.Permit.PermitID
				a, signature, err := s.sign(someKey(), permit, order{salt: i*1000 + n, side: domain.Buy, shares: "1", paid: "0.5"})
				mu.Lock()
				if signature != "" && err == nil {
					released[a.Signature.Digest] = true
				} else {
					refused++
				}
				mu.Unlock()
				_, _ = s.do(botA, commands.ReleasePermit{Permit: permit})
			}
		})
	}
	askers.Wait()
	close(done)
	tripper.Wait()
	made, trips := signedWhileCalm(t, store)
	for digest := range released {
		require.True(t, made[digest], "released, and not recorded")
	}
	t.Logf("%d signatures released of %d recorded, %d refused, %d trips", len(released), len(made), refused, trips)
	require.NotEmpty(t, released)
	require.Greater(t, trips, 3)
}

// signedWhileCalm folds the stream and fails the test if a signature was recorded while
// something was tripped or stopped, or the bot did not run.
func signedWhileCalm(t *testing.T, store eventstore.Store) (made map[string]bool, trips int) {
	t.Helper()
	made, state := map[string]bool{}, portfolio.New()
	require.NoError(t, eventstore.Walk(context.Background(), store, commands.Stream(main), 0, func(rec eventstore.Record) error {
		e, err := domain.Decode(rec.Type, rec.Data)
		switch e := e.(type) {
		case *domain.BreakerTripped:
			trips++
		case *domain.SignatureMade:
			made[e.Digest] = true
			require.False(t, state.Stop.Engaged)
			require.Equal(t, portfolio.Running, state.Bots["a"].Status)
			for _, key := range state.BreakerKeys() {
				require.NotEqual(t, risk.Tripped, state.Breaker(key).Status, "revision %d", rec.Revision)
			}
		}
		state.Apply(domain.Stamp{Revision: rec.Revision, Time: rec.Time}, e)
		return err
	}))
	return made, trips
}

// "100 concurrent consumptions of one approval, one success": approvals of one transfer
// by a hundred people, preparations, signatures under one permit.
func TestAHundredAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	store := memory.New()
	one := w.opened(store)
	two := w.serve(store)
	hundred := func(f func(s *server, i int) bool) (successes int) {
		var all sync.WaitGroup
		var n atomic.Int64
		for i := range 100 {
			all.Go(func() {
				if f([]*server{one, two}[i%2], i) {
					n.Add(1)
				}
			})
		}
		all.Wait()
		return int(n.Load())
	}
	id := one.must(olga, commands.RequestTransfer{From: "hot", To: "cold", Amount: dec("10"), Reason: "a test"}).ID
	x := one.transfer(id)
	people := []string{paul.User}
	for i := range 100 {
		people = append(people, fmt.Sprintf("approver-%d", i))
	}
	signing.Register(t, one.engine, store, people...)
	require.Equal(t, 1, hundred(func(s *server, i int) bool {
		c := domain.Caller{User: fmt.Sprintf("approver-%d", i), Role: domain.RoleApprover}
		_, err := s.do(c, commands.ApproveTransfer{Transfer: id, Hash: x.TransferRequested.Hash})
		return err == nil
	}))
	require.Len(t, eventsOf[*domain.TransferApproved](one), 1)

	hundred(func(s *server, _ int) bool { return s.work() == nil })
	require.Len(t, eventsOf[*domain.TransferPrepared](one), 1)
	one.until(id, treasury.Confirmed)
	require.Len(t, eventsOf[*domain.TransferBroadcast](one), 1)
	require.Len(t, eventsOf[*domain.TransferConfirmed](one), 1)

	permit := one.permit(domain.Buy, "10")
	require.Equal(t, 1, hundred(func(s *server, i int) bool {
		_, signature, err := s.sign(someKey(), permit, order{salt: i, side: domain.Buy, shares: "10", paid: "5"})
		return err == nil && signature != ""
	}))
	one.agrees()
}
