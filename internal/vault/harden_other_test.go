//go:build unix && !linux

package vault

func childHardenLinux() error { return nil }
