package httpapi

import (
	"pets/domain"
	"pets/domain/portfolio"
	"pets/projections"
)

// spans returns what a page has to read for a filter, from a revision on. Who asks for types passes
// over the stretches of the history that have none of them, so that a search for rare events does
// not cost the length of the history. Where nothing says which those are, all of it is read.
func (q *request) spans(f *filter, from uint64) []projections.Span {
	whole := []projections.Span{{From: from, To: projections.EndOfStream}}
	if len(f.types) == 0 {
		return whole
	}
	p, err := q.api.followed(q.r.Context(), q.portfolio())
	if err != nil {
		return whole
	}
	var spans []projections.Span
	err = p.Read(func(*portfolio.State) error {
		types, err := q.api.riders.types.Of(p)
		if err == nil {
			spans = types.Spans(from, f.wantsStored, maxScanned)
		}
		return err
	})
	if err != nil {
		return whole
	}
	return spans
}

// wantsStored reports whether records of a stored type may be shown.
func (f *filter) wantsStored(eventType string) bool {
	current := domain.CurrentType(eventType)
	single := domain.RowType(current)
	return f.wants(current) || single != "" && f.wants(single)
}
