// Package setup has the commands for the first steps: write a first .env, import trade files,
// move a store to another place, print the version.
//
// It owns the questions of pets init, the flags and the report of an import, and those of a move.
// It refuses to overwrite a .env, and to repair rows: they are booked, set aside, or end the
// import.
package setup

import (
	"github.com/spf13/cobra"

	"pets/internal/cli"
)

// app is a run of the command line; this package's commands are its methods.
type app struct{ *cli.App }

// Commands returns the commands of this package.
func Commands(c *cli.App) []*cobra.Command {
	a := &app{c}
	return cli.Under(cli.SetUp, cli.Local(a.initCommand()), a.importCommand(), cli.Local(a.migrateCommand()), cli.Local(a.versionCommand()))
}
