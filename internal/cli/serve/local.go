package serve

import (
	"context"
	"errors"

	"pets/internal/httpapi"
	"pets/internal/owner"
)

// MarkStore says in the store's folder who holds it, where PETS_DIR is another one. Without
// that, whoever names the store needs PETS_DIR as well.
func (s *Server) markStore() {
	if !s.ownDir {
		return
	}
	var err error
	if s.mark, err = s.lock.MarkStore(); err != nil {
		s.Log.Error("the folder of the store does not say which server holds it: pets stop --store finds this one only with the same PETS_DIR", "error", err.Error())
	}
}

// AnswersAt says where this server is to be found.
func (s *Server) answersAt(address string) error {
	err := s.lock.AnswersAt(address)
	if err == nil && s.mark != nil {
		err = s.mark.AnswersAt(address)
	}
	return err
}

// openSocket makes the stop socket. The server answers without it all the same:
// there are keys.
func (s *Server) openSocket() {
	dir := s.app.Config.ServerDir()
	err := owner.MkdirAll(dir)
	if err == nil {
		s.socket, err = httpapi.ListenSocket(dir)
	}
	if err != nil {
		s.Log.Error("there is no stop socket: on this machine, too, a stop needs an API key", "error", err.Error())
		s.noLocalStop.Store(&err)
	}
}

// answerSocket answers at the stop socket until the context ends, or there is another one.
func (s *Server) answerSocket(ctx context.Context) {
	ctx, end := context.WithCancel(ctx)
	s.endSocket = end
	socket := s.socket
	s.work.Go(func() {
		if err := socket.Serve(ctx, s.api, s.Log); err != nil && ctx.Err() == nil {
			s.Log.Error("the stop socket is not answered any more", "error", err.Error())
		}
	})
}

// watchLocal makes the way in of this machine anew where somebody removed it, and says so
// where that cannot be.
func (s *Server) watchLocal(ctx context.Context) {
	err := errors.Join(s.keepLocal(ctx), s.keepMark())
	last := s.noLocalStop.Load()
	switch {
	case err == nil && last != nil:
		s.noLocalStop.Store(nil)
		s.Log.Info("the stop socket is there again")
	case err != nil:
		if last == nil {
			s.Log.Error("the stop socket or the lock in PETS_DIR is gone and cannot be made anew: on this machine, too, a stop needs an API key", "error", err.Error())
		}
		s.noLocalStop.Store(&err)
	}
}

// keepLocal makes lock and socket anew if their names are gone, in this order: without the
// lock the folder may be another server's.
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

// keepMark makes the mark in the store's folder anew if its name is gone.
func (s *Server) keepMark() error {
	if s.mark == nil {
		return nil
	}
	_, err := s.mark.Keep(false, s.trust)
	return err
}
