package several_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"pets/commands"
	"pets/domain"
	"pets/eventstore"
	"pets/eventstore/esdb"
)

// history reads the records of the portfolio, past every proxy.
func (s *servers) history() (all []eventstore.Record) {
	s.t.Helper()
	address, err := esdb.Parse(s.store)
	require.NoError(s.t, err)
	store, err := esdb.Open(s.t.Context(), address, esdb.Options{})
	require.NoError(s.t, err)
	defer func() { require.NoError(s.t, store.Close()) }()
	require.NoError(s.t, eventstore.Walk(s.t.Context(), store, commands.Stream(portfolio), 0, func(r eventstore.Record) error {
		all = append(all, r)
		return nil
	}))
	return all
}

func decoded[E domain.Event](t *testing.T, r eventstore.Record) E {
	t.Helper()
	e, err := domain.Decode(r.Type, r.Data)
	require.NoError(t, err)
	return e.(E)
}

// check compares what the bots were answered with what is in the stream.
func (s *storm) check(bots []*stormBot) {
	s.t.Helper()
	all := s.history()
	s.checkLimit(all)
	s.checkAnswers(all)
	s.checkOrder()
	s.checkRepeats(bots)
	attempts, granted := 0, 0
	for _, op := range s.ops {
		attempts += op.attempts
		if op.answer.Allowed {
			granted++
		}
	}
	s.t.Logf("%d commands in %d attempts, %d permits granted, %d records, %s", len(s.ops), attempts, granted, len(all), time.Since(s.began).Round(100*time.Millisecond))
	require.Greater(s.t, granted, stormFits, "nothing was given back, so the limit was met only once")
}

// checkLimit adds up what is reserved at every revision.
func (s *storm) checkLimit(all []eventstore.Record) {
	s.t.Helper()
	reserved, live, most := domain.Decimal{}, map[string]domain.Decimal{}, domain.Decimal{}
	for _, r := range all {
		switch r.Type {
		case domain.PermitGrantedType:
			e := decoded[*domain.PermitGranted](s.t, r)
			live[e.Permit] = e.Reserved
			reserved = reserved.Add(e.Reserved)
		case domain.PermitReleasedType:
			e := decoded[*domain.PermitReleased](s.t, r)
			require.Contains(s.t, live, e.Permit, "revision %d", r.Revision)
			reserved = reserved.Sub(live[e.Permit])
			delete(live, e.Permit)
		}
		require.False(s.t, domain.MustDecimal(stormLimit).Less(reserved), "%s are reserved at revision %d", reserved, r.Revision)
		if most.Less(reserved) {
			most = reserved
		}
	}
	require.Equal(s.t, stormLimit, most.String(), "the limit was never met")
}

// checkAnswers finds the records of every answer in the stream, and an answer for every record
// of the bots.
func (s *storm) checkAnswers(all []eventstore.Record) {
	s.t.Helper()
	times, counts := map[uuid.UUID]int{}, map[string]int{}
	for i, r := range all {
		require.Equal(s.t, uint64(i), r.Revision)
		times[r.ID]++
		counts[r.Type]++
	}
	answered := map[string]int{}
	for _, op := range s.ops {
		require.NotEmpty(s.t, op.answer.Events, "%+v", op)
		require.Equal(s.t, op.answer.Revision, op.answer.Events[len(op.answer.Events)-1].Revision)
		for _, e := range op.answer.Events {
			require.Less(s.t, e.Revision, uint64(len(all)), "an acknowledged record is lost: %+v", op)
			require.Equal(s.t, e.ID, all[e.Revision].ID, "another record is where one was acknowledged: %+v", op)
			require.Equal(s.t, e.Type, all[e.Revision].Type)
			require.Equal(s.t, 1, times[e.ID], "revision %d", e.Revision)
			answered[e.Type]++
		}
		if op.releases == "" && op.answer.Allowed {
			require.Equal(s.t, op.answer.PermitID, decoded[*domain.PermitGranted](s.t, all[op.answer.Revision]).Permit)
		}
	}
	for _, name := range []string{domain.PermitGrantedType, domain.PermitDeniedType, domain.PermitReleasedType, domain.CommandNotedType} {
		require.Equal(s.t, answered[name], counts[name], "%s: of each command there is one", name)
	}
}

type (
	stormInput struct {
		rank     int // of its revision, among all answers
		releases string
	}
	stormOutput struct {
		allowed bool
		permit  string
	}
	stormState struct {
		rank, live int
		permits    string // the live ones, each between bars
	}
)

// stormModel is a counter with a cap, and the permits that count. It demands more than that
// there is some order in which the answers are right: that it is the order of the stream.
var stormModel = porcupine.Model{
	Init: func() any { return stormState{} },
	Step: func(state, in, out any) (bool, any) {
		s, i, o := state.(stormState), in.(stormInput), out.(stormOutput)
		if i.rank != s.rank {
			return false, s
		}
		s.rank++
		if i.releases != "" {
			name := "|" + i.releases + "|"
			had := strings.Contains(s.permits, name)
			s.permits = strings.Replace(s.permits, name, "", 1)
			s.live--
			return had, s
		}
		fits := s.live < stormFits
		if fits {
			s.permits += "|" + o.permit + "|"
			s.live++
		}
		return o.allowed == fits, s
	},
	DescribeOperation: func(in, out any) string { return fmt.Sprintf("%+v → %+v", in, out) },
}

// checkOrder checks that the answers are linearisable, in the order of their revisions.
func (s *storm) checkOrder() {
	s.t.Helper()
	sorted := slices.SortedFunc(slices.Values(s.ops), func(a, b operation) int { return int(a.answer.Revision) - int(b.answer.Revision) })
	ops := make([]porcupine.Operation, len(sorted))
	for i, op := range sorted {
		if i > 0 {
			require.Less(s.t, sorted[i-1].answer.Revision, op.answer.Revision, "two commands have one record")
		}
		ops[i] = porcupine.Operation{
			ClientId: op.bot, Call: op.called.Nanoseconds(), Return: op.returned.Nanoseconds(),
			Input: stormInput{i, op.releases}, Output: stormOutput{op.answer.Allowed, op.answer.PermitID},
		}
	}
	require.True(s.t, porcupine.CheckOperations(stormModel, ops), "%+v", ops)
}

// checkRepeats sends every command once more, to each server in turn: it has the answer that it
// had.
func (s *storm) checkRepeats(bots []*stormBot) {
	s.t.Helper()
	var group sync.WaitGroup
	by := map[int][]operation{}
	for i, op := range s.ops {
		by[op.bot] = append(by[op.bot], op)
		by[op.bot][len(by[op.bot])-1].attempts = i % len(s.urls) // the server of the repeat
	}
	for n, ops := range by {
		group.Go(func() {
			for _, op := range ops {
				again := op
				again.answer = answer{}
				if err := bots[n].send(context.Background(), s.url(op.attempts), time.Minute, &again); err != nil {
					s.t.Errorf("%+v: %v", op, err)
					return
				}
				if op.releases == "" && !slices.Contains(bots[n].live, op.answer.PermitID) {
					op.answer.Allowed = false // it was given back since
				}
				if fmt.Sprint(again.answer) != fmt.Sprint(op.answer) {
					s.t.Errorf("%s: %+v, and repeated %+v", op.path, op.answer, again.answer)
				}
			}
		})
	}
	group.Wait()
}
