package pets_test

import (
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pets/internal/cli/clitest"
	"pets/internal/pets/petstest"
)

// readingCommands are the commands that show a portfolio.
var readingCommands = []string{
	"state", "stats", "balances", "positions", "trades", "equity", "events", "permits", "breakers", "treasury", "transfers", "approvals",
	"wallet list", "address-book", "verify",
}

// Output is read on a terminal of 80 or 120 columns.
func TestTextFitsATerminal(t *testing.T) {
	demo := petstest.New(t)
	demo.PlayedDemo(filepath.Join(demo.Dir, "week"))
	demo.Env = []string{"PETS_STORE=embedded:" + filepath.Join(demo.Dir, "week"), "PETS_PORTFOLIO=demo"}
	for name, s := range map[string]*petstest.Shell{"demo": demo, "small": petstest.Small(t), "wallet": wallet(t, "2", "250"), "tape": tapeShell(t)} {
		env := slices.Clip(s.Env)
		for _, width := range []int{80, 120} {
			s.Env = append(env, "COLUMNS="+strconv.Itoa(width))
			for _, command := range readingCommands {
				if name == "tape" && command != "state" && command != "stats" { // the others take too long
					continue
				}
				t.Run(name+" "+command+" "+strconv.Itoa(width), func(t *testing.T) { clitest.Fits(t, width, s.Ok(strings.Fields(command)...)) })
			}
		}
	}
}
