package commands

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/domain/portfolio"
	"pets/domain/risk"
	"pets/eventstore"
	"pets/eventstore/memory"
)

// audited is an engine with two portfolios that have traded, and the findings of its
// audits.
type audited struct {
	t      *testing.T
	store  eventstore.Store
	engine *Engine
	cache  *cache
	said   []string
}

func newAudited(t *testing.T) *audited {
	t.Helper()
	a := &audited{t: t, store: memory.New(), cache: &cache{}}
	a.start()
	_, err := a.engine.System(t.Context(), Request{Caller: alice, Key: "key", Command: BootstrapKey{User: "alice", Hash: strings.Repeat("ab", 32)}})
	require.NoError(t, err)
	for _, id := range []string{"main", "other"} {
		open := openMain()
		open.ID = id
		for i, c := range []Command{
			open, deposit("1000"),
			RegisterBot{ID: "a", Capital: dec("500"), Start: true},
			RecordTrade{Bot: "a", Market: "m", PnL: dec("-5"), TradeID: "1"},
			RecordTrade{Bot: "a", Market: "m", PnL: dec("-5"), TradeID: "2"},
			RecordTrade{Bot: "a", Market: "m", PnL: dec("-5"), TradeID: "3"}, // trips
		} {
			_, err := a.engine.Do(t.Context(), id, Request{Caller: olga, Key: fmt.Sprint(i), Command: c})
			require.NoError(t, err)
		}
	}
	return a
}

func (a *audited) start() {
	a.engine = NewEngine(a.store, EngineOptions{Options: lookingUp(a.store, Options{Checkpoints: a.cache})})
	a.t.Cleanup(a.engine.Close)
	require.NoError(a.t, a.engine.Load(a.t.Context(), nil))
}

// keep makes a checkpoint of every portfolio.
func (a *audited) keep() {
	a.t.Helper()
	for _, id := range []string{"main", "other"} {
		require.NoError(a.t, a.cache.keep(a.t.Context(), a.store, Stream(id)))
	}
}

// restart replaces the engine by one that begins from checkpoints.
func (a *audited) restart() {
	a.t.Helper()
	a.engine.Close()
	a.keep()
	a.start()
}

// want hashes a stream from its beginning, as the witness does while the stream grows.
func (a *audited) want(stream string, size uint64) func(context.Context) (eventstore.TreeHead, error) {
	return func(ctx context.Context) (eventstore.TreeHead, error) {
		var f eventstore.Frontier
		for rec, err := range a.store.ReadStream(ctx, stream, 0) {
			if err != nil {
				return eventstore.TreeHead{}, err
			}
			if f.Size() < size {
				f.Append(eventstore.LeafHash(&rec))
			}
		}
		return eventstore.TreeHead{Size: size, Root: f.Root()}, nil
	}
}

func (a *audited) audit(want func(string, uint64) func(context.Context) (eventstore.TreeHead, error)) Audited {
	a.t.Helper()
	a.said = nil
	done, err := a.engine.Audit(a.t.Context(), AuditOptions{Want: want, Found: func(stream, what string) { a.said = append(a.said, stream+": "+what) }})
	require.NoError(a.t, err)
	return done
}

// stopped returns the kind of the emergency stop of a portfolio, or "".
func (a *audited) stopped(id string) (kind string) {
	a.t.Helper()
	w, err := a.engine.writer(a.t.Context(), id, false)
	require.NoError(a.t, err)
	require.NoError(a.t, w.look(a.t.Context(), func(s *portfolio.State) error {
		if s.Stop.Engaged {
			kind = s.Stop.Kind
		}
		return nil
	}))
	return kind
}

// "A paced background fold from revision 0 must meet the live state's hash and the live
// roots": if nothing is wrong it stops nothing, for states folded from the beginning and
// from checkpoints.
func TestAnAuditOfWhatIsRight(t *testing.T) {
	a := newAudited(t)
	for range 2 {
		done := a.audit(a.want)
		require.Equal(t, Audited{Streams: 3, Records: done.Records}, done)
		require.Greater(t, done.Records, uint64(12))
		require.Empty(t, a.said)
		a.restart()
		w, err := a.engine.writer(t.Context(), "main", false)
		require.NoError(t, err)
		require.Positive(t, w.origin.size, "it was restored from a checkpoint")
	}
	require.Empty(t, a.stopped("main"))
}

// "Differs → system_error stop": a live state that was corrupted in memory.
func TestACorruptedLiveStateIsStopped(t *testing.T) {
	a := newAudited(t)
	w, err := a.engine.writer(t.Context(), "main", false)
	require.NoError(t, err)
	require.NoError(t, w.look(t.Context(), func(s *portfolio.State) error {
		for _, b := range s.Breakers {
			b.Status = risk.OK
		}
		return nil
	}))
	done := a.audit(a.want)
	require.EqualValues(t, 1, done.Differing)
	require.Len(t, a.said, 1)
	require.Contains(t, a.said[0], "portfolio-main: the state that is decided on")
	require.Equal(t, domain.StopSystemError, a.stopped("main"))
	require.Empty(t, a.stopped("other"))
}

// A checkpoint that was loaded and is not what the history folds to.
func TestAnUntrueCheckpointIsStopped(t *testing.T) {
	for kind, change := range map[string]func([]byte) []byte{
		CheckpointState: func(b []byte) []byte { return []byte(strings.ReplaceAll(string(b), `"tripped"`, `"ok"`)) },
	} {
		t.Run(kind, func(t *testing.T) {
			a := newAudited(t)
			a.engine.Close()
			a.keep()
			for i, s := range a.cache.saved {
				if s.kind == kind && s.stream == Stream("main") {
					a.cache.saved[i].data = change(s.data)
				}
			}
			a.start()
			done := a.audit(a.want)
			require.EqualValues(t, 1, done.Differing)
			require.Contains(t, a.said[0], "the checkpoint ")
			require.Equal(t, domain.StopSystemError, a.stopped("main"))
			require.Empty(t, a.stopped("other"))
		})
	}
}

// "… and the live roots": a different root stops the portfolio; that of the system
// stream, which says whose keys work, stops every portfolio.
func TestAnotherRootIsStopped(t *testing.T) {
	for stream, stopped := range map[string][]string{Stream("other"): {"other"}, SystemStream: {"main", "other"}} {
		a := newAudited(t)
		a.audit(func(of string, size uint64) func(context.Context) (eventstore.TreeHead, error) {
			if of != stream {
				return a.want(of, size)
			}
			return func(context.Context) (eventstore.TreeHead, error) {
				return eventstore.TreeHead{Size: size, Root: sha256.Sum256([]byte("another history"))}, nil
			}
		})
		require.Len(t, a.said, 1)
		require.Contains(t, a.said[0], stream+": the hash tree")
		for _, id := range []string{"main", "other"} {
			want := ""
			if slices.Contains(stopped, id) {
				want = domain.StopSystemError
			}
			require.Equal(t, want, a.stopped(id), "%s, root of %s", id, stream)
		}
	}
}

// An unknown root is not a difference: nothing is stopped, the other streams are audited,
// and the audit returns an error.
func TestARootThatIsNotKnownStopsNothing(t *testing.T) {
	a := newAudited(t)
	lost := errors.New("the witness is behind")
	done, err := a.engine.Audit(t.Context(), AuditOptions{Want: func(stream string, size uint64) func(context.Context) (eventstore.TreeHead, error) {
		if stream == Stream("main") {
			return func(context.Context) (eventstore.TreeHead, error) { return eventstore.TreeHead{}, lost }
		}
		return a.want(stream, size)
	}})
	require.ErrorIs(t, err, lost)
	require.ErrorContains(t, err, "portfolio-main")
	require.EqualValues(t, 3, done.Streams)
	require.Empty(t, a.stopped("main"))
}

// While trading goes on, the audit compares at the revision that it started from.
func TestAnAuditWhileTradingGoesOn(t *testing.T) {
	a := newAudited(t)
	ctx, stop := context.WithCancel(t.Context())
	traded, began := make(chan int), make(chan struct{})
	go func() {
		n := 0
		for ; ctx.Err() == nil; n++ {
			_, err := a.engine.Do(context.WithoutCancel(ctx), "main", Request{Caller: olga, Key: fmt.Sprint("d", n), Command: deposit("1")})
			if err != nil {
				t.Error(err)
				break
			}
			if _, err := a.engine.System(context.WithoutCancel(ctx), Request{Caller: alice, Key: fmt.Sprint("k", n), Command: RecordDenials{Denials: []domain.AccessDenied{{Source: "192.0.2.1", Code: "denied", Count: 1}}}}); err != nil {
				t.Error(err)
				break
			}
			if n == 0 {
				close(began)
			}
		}
		traded <- n
	}()
	select {
	case <-began:
	case <-time.After(30 * time.Second):
		t.Fatal("nothing is traded")
	}
	for range 5 {
		a.audit(a.want)
		require.Empty(t, a.said)
	}
	stop()
	require.Positive(t, <-traded)
	require.Empty(t, a.stopped("main"))
}

// "Accepting is recorded", and every affected portfolio is stopped: those that differ, or
// all if the system stream differs or the extent is unknown.
func TestAnAcceptedRollbackStopsWhatItTouches(t *testing.T) {
	back := func(stream string) []domain.RolledBack {
		return []domain.RolledBack{{Stream: stream, Witnessed: 9, Found: 3}}
	}
	for name, tt := range map[string]struct {
		r       Rollback
		stopped string
	}{
		"one portfolio":               {Rollback{Reason: "disk gone", Streams: back("portfolio-main")}, "main"},
		"one that is gone altogether": {Rollback{Reason: "disk gone", Streams: back("portfolio-gone")}, ""},
		"the system stream":           {Rollback{Reason: "disk gone", Streams: back("system")}, "main other"},
		"a damaged witness":           {Rollback{Reason: "disk gone", Witness: "it is damaged"}, "main other"},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAudited(t)
			os := domain.Caller{User: "os:olga", Role: domain.RoleOperator}
			require.NoError(t, a.engine.AcceptRollback(t.Context(), os, tt.r))
			var last eventstore.Record
			for rec, err := range a.store.ReadStream(t.Context(), SystemStream, 0) {
				require.NoError(t, err)
				last = rec
			}
			require.Equal(t, domain.RollbackAcceptedType, last.Type)
			require.Contains(t, string(last.Metadata), "os:olga")
			e, err := domain.Decode(last.Type, last.Data)
			require.NoError(t, err)
			require.Equal(t, &domain.RollbackAccepted{Reason: "disk gone", Witness: tt.r.Witness, Streams: tt.r.Streams}, e)
			for _, id := range []string{"main", "other"} {
				want := ""
				if strings.Contains(tt.stopped, id) {
					want = domain.StopSystemError
				}
				require.Equal(t, want, a.stopped(id), id)
			}
		})
	}
}

// More streams than a record names are counted.
func TestAnAcceptedRollbackOfManyStreams(t *testing.T) {
	a := newAudited(t)
	var all []domain.RolledBack
	for i := range 2_500 {
		all = append(all, domain.RolledBack{Stream: fmt.Sprint("portfolio-p", i), Witnessed: 9, Found: 3})
	}
	all = append(all, domain.RolledBack{Stream: "portfolio-main", Witnessed: 99})
	require.NoError(t, a.engine.AcceptRollback(t.Context(), olga, Rollback{Reason: "r", Streams: all}))
	require.Equal(t, domain.StopSystemError, a.stopped("main"), "also one that the record does not name")
}

// A reason without words, or a rollback of nothing, is refused.
func TestAnAcceptedRollbackNeedsAReason(t *testing.T) {
	a := newAudited(t)
	requireCode(t, domain.CodeInvalid, a.engine.AcceptRollback(t.Context(), olga, Rollback{Witness: "damaged"}))
	requireCode(t, domain.CodeInvalid, a.engine.AcceptRollback(t.Context(), olga, Rollback{Reason: "r"}))
	require.Empty(t, a.stopped("main"))
}

// "After each stop, trip, revocation."
func TestWhatStopsIsWitnessedAtOnce(t *testing.T) {
	for _, eventType := range []string{"emergency_stop.engaged.v1", "breaker.tripped.v1", "bot.stopped.v1", "api_key.revoked.v1"} {
		require.True(t, WitnessedAtOnce(eventType), eventType)
		require.Contains(t, domain.EventTypes(), eventType)
	}
	require.False(t, WitnessedAtOnce(domain.PermitGrantedType))
}

// "Fold from zero, with progress": a long fold reports its progress.
func TestALongFoldTellsHowFarItIs(t *testing.T) {
	a := newAudited(t)
	var said []uint64
	w := NewWriter(a.store, "main", Options{Folding: func(stream string, at, total uint64) {
		require.Equal(t, Stream("main"), stream)
		said = append(said, at, total)
	}})
	defer w.Close()
	w.folding(4096)
	head, err := a.store.Head(t.Context(), Stream("main"))
	require.NoError(t, err)
	require.Equal(t, []uint64{4096, head + 1}, said)
}

// A revoked key that works again, in memory only, stops all portfolios.
func TestACorruptedKeyringStopsEverything(t *testing.T) {
	a := newAudited(t)
	a.audit(a.want)
	require.Empty(t, a.said)
	require.NoError(t, a.engine.system.lookAt(t.Context(), func(f stateFold) error {
		s := f.(*systemFold).s
		s.Apply(domain.Stamp{Revision: s.Next - 1, Time: s.Time}, &domain.APIKeyRevoked{Key: "k0"})
		return nil
	}))
	a.audit(a.want)
	require.Len(t, a.said, 1)
	require.Contains(t, a.said[0], "system: what is decided on")
	require.Equal(t, domain.StopSystemError, a.stopped("main"))
	require.Equal(t, domain.StopSystemError, a.stopped("other"))
}

// For every kind of event of the system stream, the live state equals the state that is
// read again: any difference in memory would stop everything without cause.
func TestAnAuditOfEverySystemEvent(t *testing.T) {
	a := newAudited(t)
	const address = "0x9858EfFD232B4033E47d90003D41EC34EcaEda94"
	do := func(caller domain.Caller, c Command) Answer {
		t.Helper()
		answer, err := a.engine.System(t.Context(), Request{Caller: caller, Key: fmt.Sprintf("%T%v", c, c), Command: c})
		require.NoError(t, err)
		a.audit(a.want)
		require.Empty(t, a.said, "after %T", c)
		return answer
	}
	key := do(alice, IssueKey{User: "bob", Role: domain.RoleBot, Portfolio: "main", Bot: "a", Hash: strings.Repeat("cd", 32)})
	do(alice, RevokeKey{Key: key.ID, Reason: "lost"})
	do(alice, RecordDenials{Denials: []domain.AccessDenied{{Source: "192.0.2.1", Code: "denied", Count: 1}}})
	do(olga, AcceptRollback{Reason: "r", Witness: "damaged"})
	do(alice, ClaimWallet{Address: address, Wallet: "hot-1", Portfolio: "main"})
	do(alice, StartKeyRotation{To: "aaaaaaaa"})
	rotation := do(alice, StartKeyRotation{To: "aaaaaaaa", Wallets: []string{"hot-1"}, Reason: "scheduled"})
	do(alice, RecordReencrypted{Rotation: rotation.ID, Wallet: "hot-1", Address: address, From: "bbbbbbbb", To: "aaaaaaaa"})
	do(alice, CompleteKeyRotation{Rotation: rotation.ID})
	a.engine.Close()
	a.start()
	a.audit(a.want)
	require.Empty(t, a.said)
}

// The audit makes the checkpoints that are missing, of what the history folds to: each one true, with
// the head of the hash tree at its size.
func TestAnAuditMakesWhatIsMissing(t *testing.T) {
	a := newAudited(t)
	made := map[uint64]bool{}
	_, err := a.engine.Audit(t.Context(), AuditOptions{
		Want: a.want,
		Missing: func(stream string, records uint64) []uint64 {
			require.NotZero(t, records)
			if stream != Stream("main") {
				return nil
			}
			return []uint64{0, 2, 5, 1000}
		},
		Keep: func(stream string, head eventstore.TreeHead, at time.Time, state []byte) {
			require.Equal(t, Stream("main"), stream)
			want, err := a.want(stream, head.Size)(t.Context())
			require.NoError(t, err)
			require.Equal(t, want.Root, head.Root)
			s, err := portfolio.Restore(state)
			require.NoError(t, err)
			require.Equal(t, head.Size, s.Next)
			require.Equal(t, s.Time, at)
			made[head.Size] = true
		},
	})
	require.NoError(t, err)
	require.Equal(t, map[uint64]bool{2: true, 5: true}, made)
	require.Empty(t, a.stopped("main"))
}

// A history that is not the one of the witness gets no checkpoint, and none of which that is unknown:
// its states are given to Keep only after its root was compared.
func TestAnAuditMakesNoneOfAForgedHistory(t *testing.T) {
	for name, want := range map[string]func(string, uint64) func(context.Context) (eventstore.TreeHead, error){
		"another root": func(_ string, size uint64) func(context.Context) (eventstore.TreeHead, error) {
			return func(context.Context) (eventstore.TreeHead, error) {
				return eventstore.TreeHead{Size: size, Root: sha256.Sum256([]byte("another history"))}, nil
			}
		},
		"no root": func(string, uint64) func(context.Context) (eventstore.TreeHead, error) {
			return func(context.Context) (eventstore.TreeHead, error) {
				return eventstore.TreeHead{}, errors.New("the witness is behind")
			}
		},
		"no witness": nil,
	} {
		t.Run(name, func(t *testing.T) {
			a := newAudited(t)
			_, _ = a.engine.Audit(t.Context(), AuditOptions{
				Want:    want,
				Missing: func(string, uint64) []uint64 { return []uint64{2, 5} },
				Keep: func(stream string, head eventstore.TreeHead, _ time.Time, _ []byte) {
					t.Errorf("%s got a checkpoint of %d records", stream, head.Size)
				},
			})
		})
	}
}
