// Package scenario runs texts of commands, one a line, and writes what they answer beside
// them: the examples of the documentation, and the tests of what the domain decides.
//
// It owns the format. It is for tests only, and refuses to have side effects: a scenario
// runs against a store in memory and a clock of its own.
package scenario
