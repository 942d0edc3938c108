//go:build race

package petstest

// UnderRace: the race detector makes everything some ten times slower.
const UnderRace = true
