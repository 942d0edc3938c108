//go:build race

package main

// underRace: the race detector makes everything some ten times slower.
const underRace = true
