package replay

import (
	"context"
	"errors"
	"fmt"
	"time"

	"pets/domain"
	"pets/domain/approval"
	"pets/domain/portfolio"
	"pets/domain/system"
	"pets/eventstore"
)

// clocks compares the times of a portfolio's records with those of the approvers' keys that
// were registered after them, in the order of the log. The system stream may be quiet for days:
// a record that is dated back to one of them is in order there, and its key would have waited
// for its day already.
type clocks struct {
	latest time.Time // of all records so far, by the wall clock
	// before holds, for each registration that was passed, the latest time before it.
	before []time.Time
	// behind is the most that the wall clock was found to be behind the stream.
	behind time.Duration
}

// follow is told of a record before it is folded.
func (c *clocks) follow(s *portfolio.State, rec eventstore.Record, meta domain.Metadata, registered []eventstore.Record) {
	c.pass(registered, &rec.Position)
	if s.Clock != domain.ClockWall {
		return // imported records have the times of what they report
	}
	if wall := s.SignedAt(rec.Time, meta.ClockBehind); wall.After(c.latest) {
		c.latest = wall
	}
	c.behind = max(c.behind, time.Duration(s.ClockOffset+meta.ClockBehind))
}

// pass notes the latest time before the registrations that stand before a position, or of all
// that are left.
func (c *clocks) pass(registered []eventstore.Record, at *eventstore.Position) {
	for len(c.before) < len(registered) && (at == nil || registered[len(c.before)].Position.Compare(*at) < 0) {
		c.before = append(c.before, c.latest)
	}
}

// backdated lists the registrations that are dated before what stands before them. A wall clock
// that was ahead, and was set right, explains as much as it was found to be behind later.
func (c *clocks) backdated(registered []eventstore.Record) []Problem {
	c.pass(registered, nil)
	var all []Problem
	for i, r := range registered {
		if before := c.before[i].Add(-c.behind - approval.Underway); r.Time.Before(before) {
			all = append(all, Problem{systemStream, r.Revision, fmt.Sprintf("approver's key %s is registered at %s, after a record of %s: it was dated back, or a clock was wrong then",
				domain.ApproverName(r.Revision), r.Time.Format(time.RFC3339Nano), c.before[i].Format(time.RFC3339Nano))})
		}
	}
	return all
}

// FindApprovers folds the system stream and lists what somebody should look at: registrations
// of approvers' keys, and words for them, from a revision on, and keys whose records contradict
// the rules, which do not count. A store without a system stream has none.
func FindApprovers(ctx context.Context, store eventstore.Store, from uint64) ([]Problem, error) {
	var found []Problem
	s := system.New()
	err := eventstore.Walk(ctx, store, systemStream, 0, func(rec eventstore.Record) error {
		e, err := domain.Decode(rec.Type, rec.Data)
		if err != nil {
			return err
		}
		wrong := checkApprovers(s, rec, e)
		s.Apply(domain.Stamp{Revision: rec.Revision, Time: rec.Time}, e)
		what := ""
		switch e.(type) {
		case *domain.ApproverRegistered, *domain.ApproverVouched:
			what = "the witness has not seen this: " + Describe(e)
		}
		if wrong != "" {
			what = wrong
		}
		if what != "" && (wrong != "" || rec.Revision >= from) {
			found = append(found, Problem{systemStream, rec.Revision, what})
		}
		return nil
	})
	var missing *eventstore.NotFound
	if errors.As(err, &missing) {
		err = nil
	}
	return found, err
}
