package petstest

import "testing"

// SmallFiles writes the files of a small import.
func (s *Shell) SmallFiles() []string {
	s.T.Helper()
	return []string{
		s.File("fills.csv", "time,bot,market,outcome,side,quantity,price,fee,trade_id",
			"2026-03-01T10:00:00Z,alpha,m1,YES,buy,10,0.4,0.01,a1",
			"2026-03-01T11:00:00Z,alpha,m1,YES,sell,10,0.3,0.01,a2",
			"2026-03-01T12:00:00Z,beta,m1,YES,buy,10,0.5,0,b1",
			"2026-03-02T09:00:00Z,alpha,m2,NO,buy,5,0.2,0,a3",
			"2026-03-02T12:00:00.5Z,beta,m3,YES,buy,3,0.3333,0,b2"),
		s.File("settlements.csv", "time,bot,market,outcome,payout",
			"2026-03-02T10:00:00Z,,m1,YES,1",
			"2026-03-02T11:00:00Z,alpha,m2,NO,0"),
	}
}

// Small imports two days of two bots: two losses, a win, and one position left open.
func Small(t testing.TB) *Shell {
	t.Helper()
	s := New(t)
	s.Ok(append([]string{"import", "--capital", "100"}, s.SmallFiles()...)...)
	return s
}
