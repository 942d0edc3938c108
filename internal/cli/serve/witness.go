package serve

import (
	"context"
	"errors"
	"fmt"
	"time"

	"pets/commands"
	"pets/domain"
	"pets/internal/cli"
	"pets/internal/index"
	"pets/internal/metrics"
	"pets/internal/open"
	"pets/replay"
)

// openWitness opens the store's witness.
func (s *Server) openWitness() (err error) {
	s.witness, err = s.app.OpenWatch(context.Background(), s.Store, open.Watching{
		Accept: s.app.AcceptRollback != "", Log: s.Log, Warn: func(text string) { s.Log.Warn("the witness needs a look", "what", text) },
		Differs: s.differs,
		Hashed:  func(n uint64) { s.Log.Info("the witness catches up with the log", "records", n) },
	})
	return err
}

// witnessed records an accepted rollback, if there is one, and then starts writing the witness.
// The order matters, because the witness then forgets what was missing.
func (s *Server) witnessed(ctx context.Context) error {
	opened := s.witness.Opened
	if opened.Torn > 0 {
		s.Log.Info("the last entry of the witness was cut short by a crash and is left out", "bytes", opened.Torn)
	}
	switch {
	case opened.Accepted():
		if err := s.acceptRollback(ctx); err != nil {
			return fmt.Errorf("the rollback could not be recorded, so it is not accepted: %w", err)
		}
	case s.app.AcceptRollback != "":
		s.Log.Warn("--accept-rollback was given, and there is nothing to accept; leave it out")
	}
	if err := s.checkApprovers(ctx); err != nil {
		return err
	}
	s.witness.Start()
	s.meter.WatchWitness(s.witnessMetrics)
	return nil
}

// checkApprovers logs the records of approvers' keys that no witness has seen, and those that
// contradict the rules. A crash leaves the first; so does somebody who has written to the store
// while no server ran, to be the second person from then on. The second no crash leaves.
func (s *Server) checkApprovers(ctx context.Context) error {
	found, err := replay.FindApprovers(ctx, s.Store, s.witness.Keeper.Seen(commands.SystemStream))
	for _, f := range found {
		s.Log.Error("CRITICAL: the records of an approver's key need a look: ask who registered it, and revoke it if nobody did", "what", f.What, "stream", f.Stream, "revision", f.Revision)
	}
	s.approversFound = len(found)
	return err
}

func (s *Server) acceptRollback(ctx context.Context) error {
	r := commands.Rollback{Reason: s.app.AcceptRollback}
	if damage := s.witness.Opened.Damage; damage != nil {
		r.Witness = damage.Error()
	}
	for _, d := range s.witness.Opened.Differences {
		r.Streams = append(r.Streams, domain.RolledBack{Stream: d.Stream, Witnessed: d.Witnessed, Found: d.Found})
	}
	if err := s.Engine.AcceptRollback(ctx, domain.Caller{User: cli.OSUser(), Role: domain.RoleOperator}, r); err != nil {
		return err
	}
	s.Log.Warn("the store was rolled back, and that was accepted; every portfolio that it touches is stopped, all of them where it is not known what is missing. Find out what is missing before a stop is cleared, and revoke again the keys that were revoked",
		"reason", r.Reason, "streams", len(r.Streams))
	return nil
}

func (s *Server) witnessMetrics() metrics.Witness {
	now := s.witness.Keeper.Status()
	return metrics.Witness{Written: now.Written, Failures: now.Failures, Streams: now.Streams, OK: now.Err == nil, Approvers: s.approversFound}
}

// auditShare limits the audit to a quarter of one core: it rests three times as long as it works.
const auditShare = 3

// auditEvery is the interval between two audits. auditRest is the least rest after an audit, as a
// multiple of the time it took.
const (
	auditEvery = time.Hour
	auditRest  = 10
	// Of the comparison with the index, these are the records between two rests, and the
	// longest rest.
	auditStep  = 256
	auditPause = 250 * time.Millisecond
)

// audits runs an audit after the start, and then every hour.
func (s *Server) audits(ctx context.Context) {
	for ctx.Err() == nil {
		start := time.Now()
		s.audit(ctx)
		timer := time.NewTimer(max(auditEvery, auditRest*time.Since(start)))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
		}
	}
}

// audit compares the state of every stream with its history once.
func (s *Server) audit(ctx context.Context) {
	start := time.Now()
	done, err := s.Engine.Audit(ctx, commands.AuditOptions{
		Want: s.witness.Keeper.Want, Share: auditShare, Missing: s.witness.Missing, Keep: s.witness.KeepAt,
		Found: s.differing,
	})
	switch {
	case ctx.Err() != nil:
	case err != nil:
		s.Log.Error("the history could not be compared with what is decided on", "streams", done.Streams, "error", err.Error())
	default:
		s.Log.Info("the history was compared with what is decided on", "streams", done.Streams, "records", done.Records,
			"differing", done.Differing, "took", time.Since(start).Round(time.Millisecond).String())
		s.auditIndex(ctx)
	}
}

// auditIndex compares the index of the history with the log once. If they differ, the index is
// made again. Where the index lacked something, a fill may have been booked twice before.
func (s *Server) auditIndex(ctx context.Context) {
	err := s.past.Verify(ctx, resting())
	switch {
	case ctx.Err() != nil || err == nil:
	case errors.Is(err, index.ErrDiffers):
		s.meter.AuditMismatch()
		next := "nothing was decided wrongly"
		if errors.Is(err, index.ErrLacks) {
			next = "see whether a fact was booked twice: pets verify"
		}
		s.Log.Error("the index of the history and the log differ, and it is made again from the log", "next", next, "error", err.Error())
	default:
		s.Log.Warn("the index of the history could not be compared with the log", "error", err.Error())
	}
}

// resting returns a function that is called for each record, and limits the work to the share of
// an audit.
func resting() func(context.Context) error {
	n, began := 0, time.Now()
	return func(ctx context.Context) error {
		if n++; n%auditStep != 0 {
			return nil
		}
		t := time.NewTimer(min(auditShare*time.Since(began), auditPause))
		defer t.Stop()
		select {
		case <-t.C:
		case <-ctx.Done():
		}
		began = time.Now()
		return ctx.Err()
	}
}

// differing logs and counts a difference; the engine stops what it concerns.
func (s *Server) differing(stream, what string) {
	s.meter.AuditMismatch()
	s.Log.Error("the books and the history differ; what they concern is stopped", "stream", stream, "what", what)
}

// differs stops what a stream concerns if the witness cannot follow that stream any more.
func (s *Server) differs(stream, what string) {
	s.differing(stream, what)
	s.Engine.StopDiffering(context.Background(), stream, what)
}
