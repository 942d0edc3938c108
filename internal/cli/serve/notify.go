package serve

import "pets/internal/notice"

// notify is where every notice of this server arrives. A channel for them is added here, with
// notice.All; see "How to add" in docs/architecture.md.
func (s *Server) notify(n notice.Notice) { s.logNotice(n) }

// logNotice logs and counts what a person should know.
func (s *Server) logNotice(n notice.Notice) {
	s.meter.CustodyProblem(n.Portfolio)
	attributes := []any{"portfolio", n.Portfolio, "kind", string(n.Kind), "what", n.Text()}
	if n.Subject != "" {
		attributes = append(attributes, "subject", n.Subject)
	}
	if n.Err != nil {
		attributes = append(attributes, "error", n.Err.Error())
	}
	s.Log.Error("custody needs a person", attributes...)
}
