package esdbtest

import (
	"context"
	"errors"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"github.com/google/uuid"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// subscription is one that runs.
type subscription struct {
	page
	fromStart bool
	out       *reader

	next   int    // index in the log of the first event that was not looked at
	looked uint64 // events since the last checkpoint
	live   bool   // the client knows that it has caught up
}

// subscribe confirms the subscription and sends every event after its start, until the client
// leaves or the subscription is dropped.
func (n *node) subscribe(p page, fromStart bool, out *reader) error {
	s := &subscription{page: p, fromStart: fromStart, out: out}
	if !fromStart {
		s.next = n.cluster.db.after(p.stream, p.from, n.seen())
	}
	if s.from == atEnd {
		s.fromStart = true // of what comes next
	}
	ctx, leave := n.enter(out.Context())
	defer leave()
	if err := out.Send(&streams.ReadResp{Content: &streams.ReadResp_Confirmation{
		Confirmation: &streams.ReadResp_SubscriptionConfirmation{SubscriptionId: uuid.NewString()},
	}}); err != nil {
		return err
	}
	for {
		events, found, changed := n.cluster.db.follow(p.stream, s.next, n.seen())
		if found == tombstoned {
			return errStreamDeleted(out.Context(), p.stream)
		}
		for _, r := range events {
			if ctx.Err() != nil {
				break
			}
			if err := s.push(r); err != nil {
				return err
			}
		}
		if !s.live && ctx.Err() == nil {
			s.live = true
			if err := out.Send(&streams.ReadResp{Content: &streams.ReadResp_CaughtUp_{CaughtUp: &streams.ReadResp_CaughtUp{}}}); err != nil {
				return err
			}
		}
		select {
		case <-changed:
		case <-ctx.Done():
			if errors.Is(context.Cause(ctx), errDropped) {
				return status.Error(codes.Aborted, "the subscription was dropped")
			}
			return status.FromContextError(ctx.Err()).Err()
		}
	}
}

// push looks at one event.
func (s *subscription) push(r *Recorded) error {
	s.next = r.index + 1
	key := unsigned(r.Revision)
	if s.stream == "" {
		key = r.Position
	}
	if !s.fromStart && key <= s.from {
		return nil
	}
	s.looked++
	if s.filter.matches(r) {
		if err := s.out.event(r); err != nil {
			return err
		}
	}
	if s.filter == nil || s.looked < s.filter.checkpoint {
		return nil
	}
	s.looked = 0
	return s.out.Send(&streams.ReadResp{Content: &streams.ReadResp_Checkpoint_{
		Checkpoint: &streams.ReadResp_Checkpoint{CommitPosition: r.Position, PreparePosition: r.Position},
	}})
}
