package esdbtest

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
)

// filter is what a reader of $all wants to see of it. A nil filter is everything.
type filter struct {
	byType   bool
	regex    *regexp.Regexp
	prefixes []string
	// A subscription is told its position after so many events that were looked at.
	checkpoint uint64
}

// defaultWindow is the number of events that the server looks at, at a time, if a client does
// not say.
const defaultWindow = 32

func newFilter(o *streams.ReadReq_Options_FilterOptions) (*filter, error) {
	f := &filter{byType: o.GetEventType() != nil}
	e := o.GetStreamIdentifier()
	if f.byType {
		e = o.GetEventType()
	}
	if e.GetRegex() != "" {
		var err error
		if f.regex, err = regexp.Compile(e.GetRegex()); err != nil {
			return nil, fmt.Errorf("the filter %q is no regular expression: %w", e.GetRegex(), err)
		}
	}
	f.prefixes = e.GetPrefix()
	window := uint64(defaultWindow)
	if o.GetMax() > 0 {
		window = uint64(o.GetMax())
	}
	f.checkpoint = window * max(uint64(o.GetCheckpointIntervalMultiplier()), 1)
	return f, nil
}

func (f *filter) matches(r *Recorded) bool {
	if f == nil {
		return true
	}
	name := r.Stream
	if f.byType {
		name = r.Type
	}
	if f.regex != nil {
		return f.regex.MatchString(name)
	}
	for _, p := range f.prefixes {
		if strings.HasPrefix(name, p) {
			return true
		}
	}
	return false
}
