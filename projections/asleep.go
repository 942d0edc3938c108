package projections

import (
	"pets/domain"
	"pets/domain/portfolio"
	"pets/domain/risk"
)

// asleep reports that a scope of the second edition has too little equity for a ratio to
// mean anything, so that no breaker of it is evaluated.
func asleep(s *portfolio.State, refs *risk.References, equity domain.Decimal) bool {
	return s.Policy.Second() && !refs.Evaluated(equity)
}
