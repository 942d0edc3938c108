package tradefile

// What can be said of a row that was read well and is refused later.

// Raw returns the row as it stands in its file, without the line end.
func (r *Row) Raw() string {
	if r.file == nil {
		return ""
	}
	return string(r.scan().raw)
}

// names are the columns that hold, in the formats of venues, what the domain
// calls otherwise.
var names = map[string]string{
	colStrategy.String(): colBot.String(), colTokenID.String(): colOutcome.String(), colVenueTradeID.String(): colTradeID.String(),
	colReportedPnL.String(): colPnL.String(), colTimeMs.String(): colTime.String(), colCash.String(): colNotional.String(),
}

// Column returns where the cell of a field begins in the row's line, counted in
// characters from 1 as editors do, or 0 when the file has no such column.
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
