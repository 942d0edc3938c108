//go:build race

package commands

// underRace: the race detector makes everything some ten times slower.
const underRace = true
