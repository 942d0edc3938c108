package money

import (
	"pets/commands"
	"pets/internal/cli/show"
	"pets/internal/evm"
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
