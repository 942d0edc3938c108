package commands

import (
	"slices"

	"pets/domain"
)

// authorise is the one place that says whether a caller may send a command. A
// caller of role bot acts for its own bot only.
func authorise(r *Request) error {
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

// Allowed says whether a caller may send a command: for a look at what it would do.
func Allowed(caller domain.Caller, c Command) error {
	return authorise(&Request{Caller: caller, Command: c})
}

// admissible keeps portfolios and their clocks apart: an imported portfolio is
// opened by an import and takes only imports and resets, any other takes none;
// and a stream holds the portfolio it is named after.
func (f *portfolioFold) admissible(r *Request) error {
	if open := opening(r.Command); open != nil {
		switch {
		case open.ID != f.id:
			return domain.Invalid("id", "does not name this portfolio")
		case (open.Clock == domain.ClockImported) != (r.Import != nil):
			return domain.Invalid("clock", "is \"imported\" for an import, and for nothing else")
		}
	}
	if !f.s.IsOpen() {
		return nil // all but opening is refused by its decision
	}
	reset := r.Command.Name() == ResetBreaker{}.Name()
	switch imported := f.s.Clock == domain.ClockImported; {
	case imported && r.Import == nil && !reset:
		return domain.Errorf(domain.CodeConflict, "an imported portfolio takes only imports, resets and reads")
	case !imported && r.Import != nil:
		return domain.Errorf(domain.CodeConflict, "this portfolio keeps its own clock; import into a portfolio of its own (--portfolio NAME)")
	}
	return nil
}

func opening(c Command) *OpenPortfolio {
	switch c := c.(type) {
	case OpenPortfolio:
		return &c
	case *OpenPortfolio:
		return c
	}
	return nil
}
