package serve

import (
	"context"
	"errors"

	"pets/internal/httpapi"
	"pets/internal/owner"
)

// markStore writes a lock file into the store's folder if PETS_DIR is a different one. Without
// it, a command that names the store needs the same PETS_DIR as well.
func (s *Server) markStore() {
	if !s.ownDir {
		return
	}
	var err error
	if s.mark, err = s.lock.MarkStore(); err != nil {
		s.Log.Error("the folder of the store does not say which server holds it: pets stop --store finds this one only with the same PETS_DIR", "error", err.Error())
	}
}

// answersAt records the address of this server in its lock files.
func (s *Server) answersAt(address string) error {
	err := s.lock.AnswersAt(address)
	if err == nil && s.mark != nil {
		err = s.mark.AnswersAt(address)
	}
	return err
}

// openSocket opens the stop socket. Without it the server still runs: a stop then needs a key.
func (s *Server) openSocket() {
	dir := s.app.Config.ServerDir()
	err := owner.MkdirAll(dir)
	if err == nil {
		s.socket, err = httpapi.ListenSocket(dir)
	}
	if err != nil {
		s.Log.Error("there is no stop socket: a stop needs an API key even on this machine", "error", err.Error())
		s.noLocalStop.Store(&err)
	}
}

// answerSocket serves the stop socket until ctx ends or the socket is replaced.
func (s *Server) answerSocket(ctx context.Context) {
	ctx, end := context.WithCancel(ctx)
	s.endSocket = end
	socket := s.socket
	s.work.Go(func() {
		if err := socket.Serve(ctx, s.api, s.Log); err != nil && ctx.Err() == nil {
			s.Log.Error("the stop socket is no longer served", "error", err.Error())
		}
	})
}

// watchLocal recreates the lock and the stop socket if they were removed, and logs it if that
// fails.
func (s *Server) watchLocal(ctx context.Context) {
	err := errors.Join(s.keepLocal(ctx), s.keepMark())
	last := s.noLocalStop.Load()
	switch {
	case err == nil && last != nil:
		s.noLocalStop.Store(nil)
		s.Log.Info("the stop socket is there again")
	case err != nil:
		if last == nil {
			s.Log.Error("the stop socket or the lock in PETS_DIR is gone and cannot be made anew: a stop needs an API key even on this machine", "error", err.Error())
		}
		s.noLocalStop.Store(&err)
	}
}

// keepLocal recreates the lock and the socket if they were removed. The lock comes first: a
// folder without this server's lock may belong to a different server.
func (s *Server) keepLocal(ctx context.Context) error {
	dir := s.app.Config.ServerDir()
	anew, err := s.lock.Keep(s.ownDir, s.trust)
	if err != nil {
		return err
	}
	if anew {
		s.Log.Warn("the lock in PETS_DIR was removed while this server holds it; it was made anew", "folder", dir)
	}
	if s.socket != nil && s.socket.Stands() {
		return nil
	}
	socket, err := httpapi.ListenSocket(dir)
	if err != nil {
		return err
	}
	if s.endSocket != nil {
		s.endSocket()
	}
	s.Log.Warn("the stop socket was missing; it was made anew", "folder", dir)
	s.socket = socket
	s.answerSocket(ctx)
	return nil
}

// keepMark recreates the lock file in the store's folder if it was removed.
func (s *Server) keepMark() error {
	if s.mark == nil {
		return nil
	}
	_, err := s.mark.Keep(false, s.trust)
	return err
}
