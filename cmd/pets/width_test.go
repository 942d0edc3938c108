package main

import (
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// readingCommands are those that look back at a portfolio.
var readingCommands = []string{
	"state", "stats", "balances", "positions", "trades", "equity", "events", "permits", "breakers", "treasury", "transfers", "approvals",
	"wallet list", "address-book", "verify",
}

// A person reads it on a terminal of 80 columns, or of 120.
func TestTextFitsATerminal(t *testing.T) {
	demo := newShell(t)
	demo.playedDemo(filepath.Join(demo.dir, "week"))
	demo.env = []string{"PETS_STORE=embedded:" + filepath.Join(demo.dir, "week"), "PETS_PORTFOLIO=demo"}
	for name, s := range map[string]*shell{"demo": demo, "small": small(t), "wallet": wallet(t, "250"), "tape": tapeShell(t)} {
		env := slices.Clip(s.env)
		for _, width := range []int{80, 120} {
			s.env = append(env, "COLUMNS="+strconv.Itoa(width))
			for _, command := range readingCommands {
				if name == "tape" && command != "state" && command != "stats" { // the others take long on it
					continue
				}
				t.Run(name+" "+command+" "+strconv.Itoa(width), func(t *testing.T) { fits(t, width, s.ok(strings.Fields(command)...)) })
			}
		}
	}
}
