package tradefile

// Information about a row that was read without error and refused later.

// Raw returns the bytes of the row in its file, without the line end.
func (r *Row) Raw() string {
	if r.file == nil {
		return ""
	}
	return string(r.scan().raw)
}

// names maps the domain's field names to columns of venue formats with another
// name.
var names = map[string]string{
	colStrategy.String(): colBot.String(), colTokenID.String(): colOutcome.String(), colVenueTradeID.String(): colTradeID.String(),
	colReportedPnL.String(): colPnL.String(), colTimeMs.String(): colTime.String(), colCash.String(): colNotional.String(),
}

// Column returns the position of a field's cell in the row's line, counted in
// characters from 1 as editors do, or 0 if the file has no such column.
func (r *Row) Column(field string) int {
	if r.file == nil || field == "" {
		return 0
	}
	at := -1
	for i, name := range r.file.cells.header {
		if name == field || (at < 0 && names[name] == field) {
			at = i
		}
	}
	if at < 0 {
		return 0
	}
	s := r.scan()
	return s.columnOf(s.cells[at].at)
}

// scan reads the row's cells again.
func (r *Row) scan() *scanner {
	s := newScanner(r.file.scanner.data, r.file.limits)
	s.seek(r.at)
	s.next()
	return s
}
