// Package serve is the wiring of pets serve: the store, the engine, the API, custody, the
// metrics, and what is told in the log.
//
// It owns the order in which they start and end. It refuses any rule of its own, and a secret
// in its log.
package serve

import (
	"context"

	"github.com/spf13/cobra"

	"pets/internal/cli"
)

// app is a run of the command line, as this room has it.
type app struct{ *cli.App }

// Commands are the commands of this room; play runs the demo.
func Commands(c *cli.App, play func(context.Context, *cli.App) error) []*cobra.Command {
	a := &app{c}
	return cli.Under(cli.SetUp, a.serveCommand(play))
}
