// Command rivals is pets with rivals for pets bench: pebble and SQLite beside the store (goal
// 2), and PostgreSQL beside the whole ledger (goal 11).
//
// It is a module of its own, so that the product depends on none of them. Each rival
// gets what it is best at for the same promise (what was acknowledged survives a
// power cut): pebble its own group commit, SQLite a WAL with synchronous=FULL and
// one transaction for all writers that wait, PostgreSQL its group commit and one function
// call for each trade.
package main

import (
	"os"

	"pets/internal/bench"
	"pets/internal/pets"
)

// version is set by the linker.
var version = ""

func main() {
	os.Exit(pets.Beside(version, bench.Rivals{
		Stores: []bench.Rival{
			{Name: "pebble", Least: 1.5, Open: openPebble},
			{Name: "SQLite", Least: 3, Open: openSQLite},
		},
		Ledgers: []bench.Ledger{{Name: "PostgreSQL", Least: 10, Open: openPostgres}},
	}))
}
