package commands

import (
	"context"
	"errors"
	"slices"
	"time"

	"pets/domain"
	"pets/domain/portfolio"
)

// Knows reports whether a state has something of every market that the request names. Otherwise
// only a state that decides can say whether one is archived.
func (c AskPermit) Knows(s *portfolio.State) bool {
	if len(c.Legs) == 0 {
		return s.Knows(c.Market)
	}
	return !slices.ContainsFunc(c.Legs, func(leg Leg) bool { return !s.Knows(leg.Market) })
}

// Preview checks a permit on the state that the next command will be decided on, with what is
// archived, and records nothing. revision is that of the last record it has seen. A preview of
// markets that a reader's state knows asks that instead, and no writer.
func (e *Engine) Preview(ctx context.Context, id string, r Request, now time.Time) (p portfolio.PermitPreview, revision uint64, err error) {
	c, is := as[AskPermit](r.Command)
	if !is {
		return p, 0, domain.Errorf(domain.CodeInternal, "only a permit has a preview")
	}
	err = e.AtHead(ctx, id, func(s *portfolio.State) error {
		preview, err := c.Preview(s, now, r.Caller)
		p, revision = preview, s.Next-1
		return errors.Join(err, s.Past.Err())
	})
	return p, revision, err
}
