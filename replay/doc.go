// Package replay looks back: it describes events in words, verifies that a
// history is consistent, and runs scenarios, which are texts of commands and
// their output.
//
// It owns reading, and the format of scenarios. It refuses, by its imports, to
// have side effects: no keys, no chain, no alerts, no disk. A scenario runs
// against a store in memory and a clock of its own.
package replay
