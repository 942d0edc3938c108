package tradefile

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"pets/domain"
)

// BadRow is a row that cannot be read although the rows after it can. It is also
// the error that Read stops with.
type BadRow struct {
	File   string
	Line   int    // of the bad cell, from 1, counting the header
	Column int    // of its first character in that line, from 1
	Field  string // the column's name; empty if the row as a whole is wrong
	Reason string // shows at most a short, escaped part of the cell
	Raw    []byte // the row's bytes without the line end, for the --skip-bad file
	// TooFine reports that the row can be read with Options.Round.
	TooFine bool
}

func (b *BadRow) Error() string {
	field := ""
	if b.Field != "" {
		field = b.Field + ": "
	}
	remedy := "fix the row or pass --skip-bad FILE"
	if b.TooFine {
		remedy = "pass --round to round such numbers, half to even"
	}
	return fmt.Sprintf("%s:%d:%d: %s%s; %s", b.File, b.Line, b.Column, field, b.Reason, remedy)
}

// Unwrap gives the error its code, [domain.CodeInvalid].
func (b *BadRow) Unwrap() error { return domain.Invalid(b.Field, "%s", b.Reason) }

// FileError reports a file that cannot be used, or not beyond the given place.
// --skip-bad does not help.
type FileError struct {
	File   string
	Line   int // 0 if it is about the whole file
	Column int
	Err    error // always with a code
}

func (e *FileError) Error() string {
	if e.Line == 0 {
		return fmt.Sprintf("%s: %v", e.File, e.Err)
	}
	return fmt.Sprintf("%s:%d:%d: %v", e.File, e.Line, e.Column, e.Err)
}

// Unwrap returns the reason.
func (e *FileError) Unwrap() error { return e.Err }

func unusable(file, format string, args ...any) *FileError {
	return &FileError{File: file, Err: domain.Errorf(domain.CodeInvalid, format, args...)}
}

// stoppedAt is an error about one place of a file.
func stoppedAt(file string, s *scanner, at spot, format string, args ...any) *FileError {
	e := unusable(file, format, args...)
	e.Line, e.Column = at.line, s.columnOf(at)
	return e
}

// reasonOf removes the field name from an error of the domain's checks; the name
// of the column replaces it.
func reasonOf(err error) string {
	var e *domain.Error
	if errors.As(err, &e) {
		return e.Message
	}
	return err.Error()
}

const mostShown = 24 // characters of a cell in an error

// shown returns the beginning of a cell, safe to print in a terminal or a log: a
// wrong file may hold anything, even a key.
func shown(cell string) string {
	n := 0
	for i := range cell {
		if n++; n > mostShown {
			return strconv.Quote(cell[:i]) + "…"
		}
	}
	return strconv.Quote(cell)
}

// shownAll lists names from a header, which may hold anything, within limits.
func shownAll(names []string) string {
	const most = 6
	var b strings.Builder
	for i, name := range names {
		switch {
		case i == most:
			fmt.Fprintf(&b, " and %d more", len(names)-most)
			return b.String()
		case i > 0:
			b.WriteString(", ")
		}
		b.WriteString(shown(name))
	}
	return b.String()
}
