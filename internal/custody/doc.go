// Package custody ties the keystore, the chain and typed data to the commands that
// need them: it is the one place where they meet.
//
// It owns the translation between their words and those of package commands, and
// nothing else. It refuses to decide anything: what may be signed, sent or confirmed
// was decided, and appended, before it is asked. No error that passes through it holds
// a key, an endpoint's address or what an endpoint said.
package custody
