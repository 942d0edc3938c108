package serve

import "pets/internal/notice"

// notices is where every notice of this server arrives, and goes to every channel.
func (s *Server) notices() notice.Notify {
	return notice.All(s.countNotice, s.logNotice, s.board.Post)
}

func (s *Server) countNotice(n notice.Notice) { s.meter.CustodyProblem(n.Portfolio) }

func (s *Server) logNotice(n notice.Notice) {
	attributes := []any{"portfolio", n.Portfolio, "kind", string(n.Kind), "what", n.Text()}
	if n.Subject != "" {
		attributes = append(attributes, "subject", n.Subject)
	}
	if n.Err != nil {
		attributes = append(attributes, "error", n.Err.Error())
	}
	s.Log.Error("custody needs a person", attributes...)
}
