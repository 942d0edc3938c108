// Package keys has the commands for keys: those of the API, and those that encrypt the
// keystore.
//
// It owns how they are issued, listed, revoked and rotated from the command line. It refuses
// to show a secret a second time.
package keys

import (
	"github.com/spf13/cobra"

	"pets/internal/cli"
)

// app is a run of the command line; this package's commands are its methods.
type app struct{ *cli.App }

// Commands returns the commands of this package.
func Commands(c *cli.App) []*cobra.Command {
	a := &app{c}
	return cli.Under(cli.KeysTopic, a.apikeyCommand(), a.approverCommand(), a.keysCommand())
}
