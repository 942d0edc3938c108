//go:build unix && !linux

package vault

func renameNew(from, to string) error { return renameUnderLock(from, to) }
