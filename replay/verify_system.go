package replay

import (
	"context"
	"errors"
	"fmt"
	"time"

	"pets/domain"
	"pets/domain/system"
	"pets/eventstore"
)

// VerifiedSystem is the result of checking the system stream.
type VerifiedSystem struct {
	Events   uint64    `json:"events"`
	Keys     int       `json:"keys"` // ever issued
	Live     int       `json:"live"` // live
	Problems []Problem `json:"problems"`
}

// VerifySystem folds the system stream from its beginning and checks that every
// event decodes, that time does not go back, and that each event is consistent
// with the earlier ones. An error means that the stream could not be read to its
// end. A store without a system stream passes.
func VerifySystem(ctx context.Context, store eventstore.Store) (VerifiedSystem, error) {
	found := VerifiedSystem{Problems: []Problem{}}
	s := system.New()
	known, revoked := map[string]bool{}, map[string]bool{}
	var last time.Time
	problem := func(rec eventstore.Record, format string, args ...any) {
		if len(found.Problems) < maxProblems {
			found.Problems = append(found.Problems, Problem{Stream: systemStream, Revision: rec.Revision, What: fmt.Sprintf(format, args...)})
		}
	}
	err := eventstore.Walk(ctx, store, systemStream, 0, func(rec eventstore.Record) error {
		e, err := domain.Decode(rec.Type, rec.Data)
		if err != nil {
			return err
		}
		if rec.Time.Before(last) {
			problem(rec, "its time is before that of the previous record")
		}
		switch e := e.(type) {
		case *domain.APIKeyIssued:
			if e.Key != domain.KeyName(rec.Revision) || known[e.Key] {
				problem(rec, "a key named %s is issued instead of %s", e.Key, domain.KeyName(rec.Revision))
			}
			known[e.Key] = true
		case *domain.APIKeyRevoked:
			if !known[e.Key] || revoked[e.Key] {
				problem(rec, "key %s is revoked, but does not exist", e.Key)
			}
			revoked[e.Key] = true
		case *domain.ApproverRegistered, *domain.ApproverVouched, *domain.ApproverRevoked:
			if what := checkApprovers(s, rec, e); what != "" {
				problem(rec, "%s", what)
			}
		case *domain.AccessDenied, *domain.RollbackAccepted, *domain.CommandNoted:
		default:
			if what := checkKeys(s.Encryption(), rec.Revision, e); what != "" {
				problem(rec, "%s", what)
			}
		}
		s.Apply(domain.Stamp{Revision: rec.Revision, Time: rec.Time}, e)
		last = rec.Time
		found.Events++
		return nil
	})
	var missing *eventstore.NotFound
	if errors.As(err, &missing) {
		return found, nil
	}
	found.Keys, found.Live = len(known), len(known)-len(revoked)
	return found, err
}
