// Package replay describes events in words and verifies histories.
//
// It owns reading. It refuses, by its imports, to have side effects: no keys, no
// chain, no alerts, no disk, and no commands.
package replay
