package snapshot

import (
	"errors"
	"io/fs"
	"os"
	"sync"
)

// saidOnce remembers for which stream which reason was logged.
type saidOnce struct {
	mu  sync.Mutex
	all map[string]map[string]bool // reasons of each stream
}

// maxReasons limits what is logged of one stream, and remembered.
const maxReasons = 16

// first reports whether this is the first error of its kind about a stream.
func (s *saidOnce) first(stream string, err error) bool {
	why := reason(err)
	s.mu.Lock()
	defer s.mu.Unlock()
	of := s.all[stream]
	if of[why] || len(of) >= maxReasons {
		return false
	}
	if s.all == nil {
		s.all = map[string]map[string]bool{}
	}
	if of == nil {
		of = map[string]bool{}
		s.all[stream] = of
	}
	of[why] = true
	return true
}

// reason returns the text of an error without the name of the file, which is another one for
// each checkpoint.
func reason(err error) string {
	if path := (*fs.PathError)(nil); errors.As(err, &path) {
		return path.Op + ": " + path.Err.Error()
	}
	if link := (*os.LinkError)(nil); errors.As(err, &link) {
		return link.Op + ": " + link.Err.Error()
	}
	return err.Error()
}
