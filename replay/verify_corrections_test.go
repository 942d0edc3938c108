package replay_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"pets/commands"
	"pets/domain"
	"pets/domain/approval/approvaltest"
	"pets/eventstore"
	"pets/eventstore/memory"
	"pets/internal/testenv/signing"
	"pets/replay"
)

const correctedStream = "portfolio-main"

// seconds is a clock that is a second later each time that it is read, by any goroutine.
func seconds(from time.Time) func() time.Time {
	var read atomic.Int64
	return func() time.Time { return from.Add(time.Duration(read.Add(1)) * time.Second) }
}

// correctedStore is signedStore with a correction by two people.
func correctedStore(t *testing.T) eventstore.Store {
	t.Helper()
	store := signedStore(t)
	e := commands.NewEngine(store, commands.EngineOptions{Options: commands.Options{Now: seconds(time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC))}})
	t.Cleanup(e.Close)
	require.NoError(t, e.Load(t.Context(), nil))
	do := func(user string, role domain.Role, c commands.Command) (commands.Answer, error) {
		return e.Do(t.Context(), "main", commands.Request{
			Caller: domain.Caller{User: user, Role: role}, Key: uuid.NewString(), Command: signing.Signed(t, store, "main", user, c),
		})
	}
	_, err := do("ada", domain.RoleAdmin, commands.PostAdjustment{Account: "hot:treasury", Amount: domain.MustDecimal("-0.37"), Reason: "x"})
	require.Equal(t, domain.CodeDenied, domain.CodeOf(err))
	asked, err := do("ada", domain.RoleAdmin, commands.RequestOverride{
		Kind: domain.OverrideAdjustment, Limits: []byte(`{"account":"hot:treasury","asset":"USDC","amount":"-0.37"}`), Reason: "deposit of 3 March was 9999.63",
	})
	require.NoError(t, err)
	_, err = do("carl", domain.RoleApprover, commands.ConfirmOverride{Override: asked.ID})
	require.NoError(t, err)
	return store
}

// altered copies a store; change may return other data for a record, or none for one that
// is left out.
func altered(t *testing.T, store eventstore.Store, change func(domain.Event) domain.Event) eventstore.Store {
	t.Helper()
	copied, left := memory.New(), map[string]int64{}
	for rec, err := range store.ReadAll(t.Context(), eventstore.Position{}) {
		require.NoError(t, err)
		e, err := domain.Decode(rec.Type, rec.Data)
		require.NoError(t, err)
		to, data := e, rec.Data
		if rec.Stream == correctedStream {
			if to = change(e); to == nil {
				left[rec.Stream]++
				continue
			}
			data, err = domain.Encode(to)
			require.NoError(t, err)
		}
		_, err = copied.Append(t.Context(), rec.Stream, eventstore.Expected(int64(rec.Revision)-1-left[rec.Stream]), []eventstore.Proposed{{
			ID: rec.ID, Type: to.EventType(), Time: rec.Time, Metadata: rec.Metadata, Data: data,
		}})
		require.NoError(t, err)
	}
	return copied
}

func problemsOf(t *testing.T, store eventstore.Store) (said []string) {
	t.Helper()
	found, err := replay.Verify(t.Context(), store, correctedStream, nil)
	require.NoError(t, err)
	for _, p := range found.Problems {
		said = append(said, p.What)
	}
	return said
}

// "pets verify checks these approvals like the others … an adjustment.posted in a live
// portfolio with signed approvals without its confirmed override is a breach that verify
// reports."
func TestVerifyChecksCorrections(t *testing.T) {
	store := correctedStore(t)
	require.Empty(t, problemsOf(t, store))
	opened := dataOf(t, store, correctedStream, domain.PortfolioOpenedType)
	require.Contains(t, opened, `"corrected_by_two":true`)

	one := domain.MustDecimal("1")
	adjustment := func(change func(*domain.AdjustmentPosted)) func(domain.Event) domain.Event {
		return func(e domain.Event) domain.Event {
			if a, is := e.(*domain.AdjustmentPosted); is {
				change(a)
			}
			return e
		}
	}
	correction := func(change func(*domain.OverrideRecorded)) func(domain.Event) domain.Event {
		return func(e domain.Event) domain.Event {
			if o, is := e.(*domain.OverrideRecorded); is && o.Kind == domain.OverrideAdjustment {
				change(o)
			}
			return e
		}
	}
	for says, change := range map[string]func(domain.Event) domain.Event{
		"without an override by two people": adjustment(func(a *domain.AdjustmentPosted) { a.Override = "" }),
		"which is not the record before it": adjustment(func(a *domain.AdjustmentPosted) { a.Override = "o1" }),
		"its adjustment does not follow": func(e domain.Event) domain.Event {
			if _, is := e.(*domain.AdjustmentPosted); is {
				return nil
			}
			return e
		},
		"is adjusted otherwise than":   adjustment(func(a *domain.AdjustmentPosted) { a.Amount = a.Amount.Add(one) }),
		"hot:bot/a is adjusted otherw": adjustment(func(a *domain.AdjustmentPosted) { a.Account = "hot:bot/a" }),
		"signature is missing":         correction(func(o *domain.OverrideRecorded) { o.Signature = nil }),
		"does not fit":                 correction(func(o *domain.OverrideRecorded) { o.Signature.Key = approvaltest.Public("bob") }),
		"another limits": correction(func(o *domain.OverrideRecorded) {
			o.Limits = []byte(`{"account":"hot:treasury","asset":"USDC","amount":"-37"}`)
		}),
		"another requested_by": correction(func(o *domain.OverrideRecorded) { o.RequestedBy = "otto" }),
		"the approval of override": func(e domain.Event) domain.Event {
			if o, is := e.(*domain.OverrideRequested); is && o.Kind == domain.OverrideAdjustment {
				o.Difference = &one // the approver was shown none
			}
			return e
		},
	} {
		said := problemsOf(t, altered(t, store, change))
		require.NotEmpty(t, said, says)
		require.Contains(t, join(said), says)
	}
}

func join(said []string) (all string) {
	for _, s := range said {
		all += s + "\n"
	}
	return all
}

// "Unless it was recorded before the build that asks for two": a portfolio that such a build
// opened says so in its first event; in an older one the rule begins with the first request.
func TestVerifyKnowsWhenTwoCorrect(t *testing.T) {
	store := correctedStore(t)
	older := func(e domain.Event) domain.Event {
		if o, is := e.(*domain.PortfolioOpened); is {
			o.CorrectedByTwo = false
		}
		return e
	}
	require.Empty(t, problemsOf(t, altered(t, store, older)))
	// One admin alone, by a build that allowed it: before any request of the new form.
	alone := func(e domain.Event) domain.Event {
		if _, is := e.(*domain.DepositRecorded); is {
			return &domain.AdjustmentPosted{Account: "hot:treasury", Asset: "USDC", Amount: domain.MustDecimal("1000"), Reason: "found"}
		}
		return older(e)
	}
	require.NotContains(t, join(problemsOf(t, altered(t, store, alone))), "override by two people")
	// The same after it.
	after := func(e domain.Event) domain.Event {
		if a, is := e.(*domain.AdjustmentPosted); is {
			a.Override = ""
		}
		return older(e)
	}
	require.Contains(t, join(problemsOf(t, altered(t, store, after))), "without an override by two people")
}
