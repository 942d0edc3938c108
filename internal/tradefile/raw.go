package tradefile

import "bytes"

// RawRows returns the rows of a file as they stand there, without the line end,
// by the line they begin in: for rows that were read well and are refused later.
func RawRows(path string) (map[int]string, error) {
	stored, err := load(path, defaultLimits.bytes)
	if err != nil {
		return nil, err
	}
	data, err := unpack(path, stored, defaultLimits.bytes)
	if err != nil {
		return nil, err
	}
	rows := make(map[int]string)
	s := newScanner(bytes.TrimPrefix(data, utf8BOM), defaultLimits)
	for s.next() {
		rows[s.first] = string(s.raw)
	}
	return rows, nil
}

// names are the columns that hold, in the formats of venues, what the domain
// calls otherwise.
var names = map[string]string{
	colStrategy.String(): colBot.String(), colTokenID.String(): colOutcome.String(), colVenueTradeID.String(): colTradeID.String(),
	colReportedPnL.String(): colPnL.String(), colTimeMs.String(): colTime.String(), colCash.String(): colNotional.String(),
}

// ColumnOf returns where the cell of a field begins in a row of a file, counted
// in characters from 1 as editors do, or 0 when the file has no such column: for
// rows that were read well and are refused later.
func ColumnOf(path string, line int, field string) int {
	stored, err := load(path, defaultLimits.bytes)
	if err != nil {
		return 0
	}
	data, err := unpack(path, stored, defaultLimits.bytes)
	if err != nil {
		return 0
	}
	s := newScanner(bytes.TrimPrefix(data, utf8BOM), defaultLimits)
	at := -1
	if s.next() {
		for i, c := range s.cells {
			if name := string(c.text); name == field || (at < 0 && names[name] == field) {
				at = i
			}
		}
	}
	for at >= 0 && s.next() {
		if s.first == line && at < len(s.cells) {
			return s.columnOf(s.cells[at].at)
		}
	}
	return 0
}
