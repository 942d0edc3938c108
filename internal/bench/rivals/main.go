// Command rivals measures the store beside pebble and SQLite: goal 2 of pets
// bench, in one run with the others.
//
// It is a module of its own, so that the product depends on neither. Each rival
// gets what it is best at for the same promise (an acknowledged append survives a
// power cut): pebble its own group commit, SQLite a WAL with synchronous=FULL and
// one transaction for all writers that wait.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"

	"pets/internal/bench"
)

func main() {
	o := bench.Options{Rivals: []bench.Rival{
		{Name: "pebble", Least: 1.5, Open: openPebble},
		{Name: "sqlite", Least: 3, Open: openSQLite},
	}}
	flag.StringVar(&o.Dir, "dir", "", "a folder on the disk to be measured (the one for temporary files by default)")
	flag.IntVar(&o.Rounds, "rounds", 15, "how many turns each contender gets")
	flag.IntVar(&o.Events, "events", 500_000, "how many events the store has that is opened")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	results, err := bench.Run(ctx, o)
	for _, m := range results {
		for _, line := range m.Lines() {
			fmt.Println(line)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "rivals:", err)
		os.Exit(1)
	}
}
