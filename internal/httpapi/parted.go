package httpapi

import (
	"errors"
	"io"
	"time"

	"pets/internal/work"
)

// parted is a body that is read in parts, in a place.
type parted struct {
	in     io.Reader
	work   *work.Places
	until  func(time.Time) // sets the deadline of what is read; may be nil
	spent  time.Duration   // reading
	place  *work.Place     // in hand while it is read
	bytes  int
	failed error // but for the end
}

// read lets the body be read. What was not read is dropped.
func (p *parted) read(f func(io.Reader) error) error {
	err := p.inPlace(f)
	p.work = nil
	if err != nil && p.failed == nil {
		_, _ = io.Copy(io.Discard, p) // it keeps why that failed
	}
	return err
}

func (p *parted) inPlace(f func(io.Reader) error) error {
	p.enter()
	defer p.leave()
	return f(p)
}

// waitedLong is the wait for a place from which on the sender gets the time back.
const waitedLong = 50 * time.Millisecond

// enter waits for a place. That time is not the sender's, who has as long as for any other body.
func (p *parted) enter() {
	began := time.Now()
	p.place = p.work.Take(work.Requests)
	if now := time.Now(); p.until != nil && now.Sub(began) >= waitedLong {
		p.until(now.Add(ofServer.request - p.spent))
	}
}

func (p *parted) leave() { p.place.Leave() }

// Read implements io.Reader.
func (p *parted) Read(b []byte) (int, error) {
	p.leave()
	defer p.enter()
	began := time.Now()
	n, err := p.in.Read(b)
	p.spent += time.Since(began)
	p.bytes += n
	if err != nil && !errors.Is(err, io.EOF) {
		p.failed = err
	}
	return n, err
}
