package bench

import (
	"os"
	"path/filepath"
	"sync"
)

// rawFile is the minimum that anything durable needs: bytes at the end of a
// growing file, and a flush. Concurrent writers share one flush, led by the first
// of them. It has no checks, index or guarantees.
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

// alone does one write and one flush.
func (r *rawFile) alone(b []byte) error {
	if _, err := r.f.Write(b); err != nil {
		return err
	}
	return datasync(r.f)
}

// together does the same for many callers at once.
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

// flush writes groups until no caller waits.
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
