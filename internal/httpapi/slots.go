package httpapi

import (
	"errors"
	"io"
	"runtime"
)

// slots limits how many goroutines read bodies of batches at the same time, to one for each
// processor. Each of them takes a processor for milliseconds, and a stop that arrives waits for
// all that are ready to run before it. A slot is released while its goroutine waits for bytes.
type slots chan struct{}

func newSlots() slots { return make(slots, runtime.GOMAXPROCS(0)) }

func (s slots) enter() {
	if s != nil {
		s <- struct{}{}
	}
}

func (s slots) leave() {
	if s != nil {
		<-s
	}
}

// parted is a body that is read in parts, in a slot.
type parted struct {
	in     io.Reader
	slots  slots
	bytes  int
	failed error // but for the end
}

// read lets the body be read. What was not read is dropped.
func (p *parted) read(f func(io.Reader) error) error {
	err := p.inSlot(f)
	p.slots = nil
	if err != nil && p.failed == nil {
		_, _ = io.Copy(io.Discard, p) // it keeps why that failed
	}
	return err
}

func (p *parted) inSlot(f func(io.Reader) error) error {
	p.slots.enter()
	defer p.slots.leave()
	return f(p)
}

// Read implements io.Reader.
func (p *parted) Read(b []byte) (int, error) {
	p.slots.leave()
	defer p.slots.enter()
	n, err := p.in.Read(b)
	p.bytes += n
	if err != nil && !errors.Is(err, io.EOF) {
		p.failed = err
	}
	return n, err
}
