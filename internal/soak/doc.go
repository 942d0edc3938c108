// Package soak tests the whole product over a long history: many bots trade through HTTP
// while the server is killed again and again.
//
// It holds only tests. They own how long the product may run under load, and what has to
// hold then: nothing that was acknowledged is lost or done twice, and the state that was kept
// is the one that the history folds to. Single failures of machines are tested in
// internal/torture, and what is right in a state by the packages that own it.
package soak
