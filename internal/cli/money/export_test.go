package money

import (
	"time"

	"pets/commands"
	"pets/domain/portfolio"
	"pets/domain/treasury"
	"pets/internal/cli"
	"pets/internal/cli/show"
	"pets/internal/evm"
	"pets/projections"
)

// Exported for tests of the whole command line: this package's answers and files.
type (
	ColdUnsigned  = coldUnsigned
	ColdApproval  = coldApproval
	TransfersView = show.TransfersView
	TreasuryView  = show.TreasuryView
)

const (
	ColdFileVersion   = coldFileVersion
	ColdSignedVersion = coldSignedVersion
	TypedDigits       = typedDigits
	MaxCarried        = maxCarried
)

var (
	ReadColdFile   = readColdFile
	ReadColdSigned = readColdSigned
	ColdApprovals  = coldApprovals
)

// Check refuses a file whose parts disagree.
func (f *coldUnsigned) Check(file string, signatory *evm.Signatory) (commands.Prepared, error) {
	return f.check(file, signatory)
}

// NextCommands are the commands that are printed of a transfer of a state: the next step first.
// ways are the lines of what is in the way.
func NextCommands(s *portfolio.State, id string, now time.Time) (says []string, commands [][]string, ways []string) {
	view := projections.TransfersOf(s, func(t *treasury.Transfer) bool { return t.Transfer == id })
	halt, a := haltOf(s), &app{&cli.App{}}
	at := standing{now: now, stopped: s.Stop.Engaged, mostFee: s.Custody.Policy.MaxTransferFee}
	differences := projections.TreasuryOf(s, now).Differences
	if view[0].Cancel != nil {
		differences = nil
	}
	if !show.Urgent(&view[0]) {
		at.ways = a.inTheWay(&halt, differences)
	}
	for _, step := range nextSteps(&view[0], at) {
		says, commands = append(says, step.says), append(commands, step.command)
	}
	return says, commands, at.ways
}
