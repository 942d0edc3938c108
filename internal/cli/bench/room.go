// Package bench has pets bench, which measures the store and the API on this machine.
//
// It owns the loads and what they are compared with (internal/bench measures the store alone). It
// refuses to touch existing stores: it uses fresh folders and removes them.
package bench

import (
	"github.com/spf13/cobra"

	"pets/internal/bench"
	"pets/internal/cli"
)

// app is a run of the command line; this package's commands are its methods.
type app struct {
	*cli.App
	rivals bench.Rivals
}

// Commands returns the commands of this package. They measure the rivals beside the product.
func Commands(c *cli.App, rivals bench.Rivals) []*cobra.Command {
	a := &app{c, rivals}
	return cli.Under(cli.SetUp, cli.Local(a.benchCommand()))
}
