package replay

import (
	"fmt"

	"pets/domain"
)

func describeRollback(e *domain.RollbackAccepted) string {
	s := "a store that was rolled back is gone on with: " + e.Reason
	for _, r := range e.Streams {
		s += fmt.Sprintf("; %s had %d records and has %d", r.Stream, r.Witnessed, r.Found)
	}
	if e.More > 0 {
		s += fmt.Sprintf("; and %d streams more", e.More)
	}
	if e.Witness != "" {
		s += "; the witness could not be used: " + e.Witness
	}
	return s
}
