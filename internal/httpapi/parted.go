package httpapi

import (
	"errors"
	"io"

	"pets/internal/work"
)

// parted is a body that is read in parts, in a place.
type parted struct {
	in     io.Reader
	work   *work.Places
	place  *work.Place // in hand while it is read
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

func (p *parted) enter() { p.place = p.work.Take(work.Requests) }
func (p *parted) leave() { p.place.Leave() }

// Read implements io.Reader.
func (p *parted) Read(b []byte) (int, error) {
	p.leave()
	defer p.enter()
	n, err := p.in.Read(b)
	p.bytes += n
	if err != nil && !errors.Is(err, io.EOF) {
		p.failed = err
	}
	return n, err
}
