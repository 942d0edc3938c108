package replay

import (
	"fmt"

	"pets/domain"
)

func describeRollback(e *domain.RollbackAccepted) string {
	s := "the server continues with a store that was rolled back: " + e.Reason
	for _, r := range e.Streams {
		s += fmt.Sprintf("; %s had %d records and has %d", r.Stream, r.Witnessed, r.Found)
	}
	if e.More > 0 {
		s += fmt.Sprintf("; and %d more streams", e.More)
	}
	if e.Witness != "" {
		s += "; the witness could not be used: " + e.Witness
	}
	return s
}
