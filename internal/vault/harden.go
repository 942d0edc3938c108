//go:build unix

package vault

import (
	"golang.org/x/sys/unix"

	"pets/domain"
)

// Harden keeps the memory of this process out of core dumps and, on Linux, away
// from other processes of the same user. Call it first. Children inherit the
// limit. It does not keep memory out of swap.
func Harden() error {
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		return hardenError("core dumps cannot be turned off", err)
	}
	if err := undumpable(); err != nil {
		return hardenError("the process cannot be protected from debuggers", err)
	}
	return nil
}

func hardenError(what string, err error) error {
	return &domain.Error{Code: domain.CodeUnavailable, Message: what, Cause: err}
}
