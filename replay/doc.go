// Package replay looks back: it says in words what each event was, verifies that
// a history adds up, and runs scenarios, texts of commands and what they answer.
//
// It owns reading, and the format of scenarios. It refuses, by what it imports,
// to have side effects: no keys, no chain, no alerts, no disk; a scenario runs
// against a store in memory and a clock of its own.
package replay
