package portfolio

import "pets/domain"

// row records an event of which one command may cause many: a trade that closed or
// changed, a trip, a warning. Beyond the first 100 of a type, under the second edition
// of the rules, they share records of many rows, so that a market with a thousand
// holders settles in one append.
func (d *Decision) row(e domain.Event) {
	if d.single(e.EventType()) {
		if d.singles == nil {
			d.singles = map[string]int{}
		}
		d.singles[e.EventType()]++
		d.emit(e)
		return
	}
	if n := len(d.events); n > 0 && domain.Join(d.events[n-1], e) {
		// A row is applied like the record that it is part of.
		d.s.Apply(domain.Stamp{Revision: d.s.Next - 1, Time: d.now}, e)
		d.checkBalance(e)
		return
	}
	d.emit(domain.Collect(e))
}

// single reports whether the next event of a type has a record of its own.
func (d *Decision) single(eventType string) bool {
	return !d.s.Policy.Second() || d.singles[eventType] < domain.SinglesPerCommand
}

// nextRow returns the revision of the record that the next event of a type will be in,
// and its place among the rows of that record.
func (d *Decision) nextRow(eventType string) (revision uint64, row int) {
	if n := len(d.events); n > 0 && !d.single(eventType) {
		if rows := domain.Flatten(d.events[n-1]); len(rows) < domain.RowsPerRecord && rows[0] != d.events[n-1] && rows[0].EventType() == eventType {
			return d.s.Next - 1, len(rows)
		}
	}
	return d.s.Next, 0
}

// applyRows folds a record of many as its rows one after the other, all at its
// revision. The effects are those of all rows.
func (s *State) applyRows(at domain.Stamp, rows []domain.Event) {
	if len(rows) == 0 { // of no build: there is nothing to fold but its place in the stream
		s.Apply(at, &domain.CommandNoted{})
		return
	}
	var all Effects
	known := map[string]bool{}
	for _, row := range rows {
		s.Apply(at, row)
		all.add(&s.effects, known)
	}
	s.effects = all
}

// add adds the effects of a later row. known are the bots that have moved so far.
func (e *Effects) add(row *Effects, known map[string]bool) {
	e.Postings = append(e.Postings, row.Postings...)
	e.Flows = append(e.Flows, row.Flows...)
	e.Closed = append(e.Closed, row.Closed...)
	e.Performed = e.Performed || row.Performed
	for _, bot := range row.Moved {
		if !known[bot] {
			known[bot] = true
			e.Moved = append(e.Moved, bot)
		}
	}
}
