//go:build unix && !linux

package vault

import "errors"

var errOnlyLinux = errors.New("memory is scanned on Linux only")

func childSign() error          { return errOnlyLinux }
func childSignNaively() error   { return errOnlyLinux }
func childDerive() error        { return errOnlyLinux }
func childDeriveNaively() error { return errOnlyLinux }
