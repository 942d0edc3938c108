package commands

import (
	"slices"

	"pets/domain"
)

// authorise is the one place that says whether a caller may send a command. A
// caller of role bot acts for its own bot only.
func authorise(r Request) error {
	c := r.Caller
	if c.User == "" || c.Role == "" {
		return domain.Errorf(domain.CodeUnauthenticated, "the caller is not known")
	}
	if !slices.Contains(r.Command.Roles(), c.Role) {
		return domain.Errorf(domain.CodeDenied, "role %s may not send %s", c.Role, r.Command.Name())
	}
	if c.Role == domain.RoleBot && (c.Bot == "" || r.Command.Actor() != "" && r.Command.Actor() != c.Bot) {
		return domain.Errorf(domain.CodeDenied, "a bot's key acts for its own bot only")
	}
	return nil
}

// admissible keeps the two clocks apart: an imported portfolio takes imports and
// resets, any other none.
func admissible(r Request, clock domain.Clock, open bool) error {
	if !open {
		return nil // opening decides the clock; anything else is refused by its decision
	}
	_, reset := r.Command.(ResetBreaker)
	switch {
	case clock == domain.ClockImported && r.Import == nil && !reset:
		return domain.Errorf(domain.CodeConflict, "an imported portfolio takes only imports, resets and reads")
	case clock != domain.ClockImported && r.Import != nil:
		return domain.Errorf(domain.CodeConflict, "this portfolio keeps its own clock; import into a portfolio of its own (--portfolio NAME)")
	}
	return nil
}
