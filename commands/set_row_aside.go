package commands

import (
	"pets/domain"
	"pets/domain/portfolio"
)

// SetRowAside notes that a row of an import was refused and left out, so that
// the next run knows it: by then its time lies before the portfolio's last
// record, and it could not be told from a new row that comes too late.
type SetRowAside struct {
	Row string `json:"row"` // its key
	// Reason is noted, but no part of the body: the same row refused in other
	// words is set aside once.
	Reason string `json:"-"`
}

// Name implements Command.
func (SetRowAside) Name() string { return "set_row_aside" }

// Roles implements Command.
func (SetRowAside) Roles() []domain.Role { return operators }

// Actor implements Command.
func (SetRowAside) Actor() string { return "" }

// Decide implements Command: nothing changes, which is noted with the reason;
// file and line are the source in the record's metadata.
func (c SetRowAside) Decide(d *portfolio.Decision) error {
	if d.State().Clock != domain.ClockImported {
		return domain.Errorf(domain.CodeConflict, "only an imported portfolio sets rows aside")
	}
	note := "row set aside"
	if c.Reason != "" {
		note += ": " + cut(c.Reason)
	}
	d.Note(domain.NotedSetAside, note)
	return nil
}

// maxReason bounds the reason in the note, in characters.
const maxReason = 500

func cut(reason string) string {
	if r := []rune(reason); len(r) > maxReason {
		return string(r[:maxReason-1]) + "…"
	}
	return reason
}
