//go:build race

package testenv

// Race: the race detector makes everything some ten times slower.
const Race = true
