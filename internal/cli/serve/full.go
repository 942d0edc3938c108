package serve

import (
	"errors"
	"syscall"

	"pets/commands"
	"pets/domain"
)

// errFull says what to do about a disk that keeps a server from starting.
var errFull = domain.Errorf(domain.CodeUnavailable, "the disk is full: free some space, and start again. The stops that were recorded or marked hold; a stop is taken meanwhile (docs/runbooks/store.md, a full disk)")

// startError adds what to do if a start failed because a disk is full.
func startError(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return errors.Join(err, errFull)
	}
	return err
}

// roomForKey returns an error if the disk has too little space for the first admin key, which
// is recorded like any command. A key must not be shown for nothing.
func (s *Server) roomForKey() error {
	err := s.scarce(commands.ClassOf(commands.BootstrapKey{}))
	if err == nil {
		return nil
	}
	return &domain.Error{
		Code: domain.CodeUnavailable, Cause: err,
		Message: "the disk of the store has too little free space to record the first admin key; free some space (or lower PETS_DISK_RESERVE), and start again. The stops that were recorded hold",
	}
}
