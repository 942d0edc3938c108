//go:build unix && !linux

package vault

// undumpable does nothing here: the limit on core dumps is all there is.
func undumpable() error { return nil }
