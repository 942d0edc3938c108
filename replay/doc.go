// Package replay looks back: it says in words what each event was, and verifies that a
// history adds up.
//
// It owns reading. It refuses, by what it imports, to have side effects: no keys, no
// chain, no alerts, no disk, and no commands.
package replay
