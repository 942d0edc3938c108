// Package bench is pets bench: the store and the API of this machine, measured.
//
// It owns the loads and what they are measured against (internal/bench measures the store
// alone). It refuses to touch a store of anybody: its folders are its own, and go with it.
package bench

import (
	"github.com/spf13/cobra"

	"pets/internal/cli"
)

// app is a run of the command line, as this room has it.
type app struct{ *cli.App }

// Commands are the commands of this room.
func Commands(c *cli.App) []*cobra.Command {
	a := &app{c}
	return cli.Under(cli.SetUp, cli.Local(a.benchCommand()))
}
