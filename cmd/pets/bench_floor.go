package main

import (
	"os"
	"path/filepath"
	"sync"
	"time"
)

// rawFile is what nothing that is durable can do without: bytes at the end of a
// growing file, and a flush. Writers that come together share one, led by the
// first of them. It checks, indexes and promises nothing.
type rawFile struct {
	f *os.File

	mu     sync.Mutex
	buf    []byte
	spare  []byte
	flight bool
	group  *rawGroup
}

type rawGroup struct {
	done chan struct{}
	err  error
}

func newRawFile(dir, name string) (*rawFile, error) {
	f, err := os.Create(filepath.Join(dir, name))
	if err != nil {
		return nil, err
	}
	return &rawFile{f: f, group: &rawGroup{done: make(chan struct{})}}, nil
}

// alone is one write and one flush.
func (r *rawFile) alone(b []byte) error {
	if _, err := r.f.Write(b); err != nil {
		return err
	}
	return datasync(r.f)
}

// together is the same for many callers at once.
func (r *rawFile) together(b []byte) error {
	r.mu.Lock()
	r.buf = append(r.buf, b...)
	group := r.group
	if r.flight {
		r.mu.Unlock()
		<-group.done
		return group.err
	}
	r.flight = true
	r.mu.Unlock()
	go r.flush()
	<-group.done
	return group.err
}

// flush writes groups until nobody waits any more.
func (r *rawFile) flush() {
	for {
		r.mu.Lock()
		if len(r.buf) == 0 {
			r.flight = false
			r.mu.Unlock()
			return
		}
		group, buf := r.group, r.buf
		r.group, r.buf, r.spare = &rawGroup{done: make(chan struct{})}, r.spare[:0], buf
		r.mu.Unlock()
		group.err = r.alone(buf)
		close(group.done)
	}
}

// contender is one of those that take turns. Only one of them works at a time.
type contender struct {
	name    string
	writers int
	work    func(writer int) error
}

// turn lets a contender work for a while and returns how many operations it did
// in a second, and how long the middle one took when there is one writer.
func (c *contender) turn(slice time.Duration) (rate, median float64, err error) {
	var group sync.WaitGroup
	counts, errs := make([]int, c.writers), make([]error, c.writers)
	var took []float64
	began := time.Now()
	for w := range c.writers {
		group.Go(func() {
			for now := began; now.Sub(began) < slice && errs[w] == nil; {
				errs[w] = c.work(w)
				counts[w]++
				before := now
				now = time.Now()
				if c.writers == 1 {
					took = append(took, now.Sub(before).Seconds())
				}
			}
		})
	}
	group.Wait()
	total := 0
	for w := range c.writers {
		if errs[w] != nil {
			return 0, 0, errs[w]
		}
		total += counts[w]
	}
	return float64(total) / time.Since(began).Seconds(), middle(took), nil
}
