// Package setup is the room of those who begin: a first .env is written, trade files are
// imported, and a binary says what it is.
//
// It owns the questions of pets init, the flags of an import and its report. It refuses to
// write over a .env, and to repair rows: they are booked, set aside, or end the import.
package setup

import (
	"github.com/spf13/cobra"

	"pets/internal/cli"
)

// app is a run of the command line, as this room has it.
type app struct{ *cli.App }

// Commands are the commands of this room.
func Commands(c *cli.App) []*cobra.Command {
	a := &app{c}
	return cli.Under(cli.SetUp, cli.Local(a.initCommand()), a.importCommand(), cli.Local(a.versionCommand()))
}
