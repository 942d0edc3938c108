package index

import (
	"fmt"
	"strconv"
	"strings"
)

const (
	runSuffix  = ".run"
	tempSuffix = ".tmp"
	digits     = 20
)

// runName is what the name of a file says.
type runName struct {
	table    Table
	from, to Position
}

func (n runName) String() string {
	return fmt.Sprintf("%s-%020d-%020d%s", n.table, n.from, n.to, runSuffix)
}

// parseName reads the name of a run. Only names that String writes are accepted.
func parseName(name string) (runName, bool) {
	body, ok := strings.CutSuffix(name, runSuffix)
	parts := strings.Split(body, "-")
	if !ok || len(parts) != 3 || len(parts[1]) != digits || len(parts[2]) != digits {
		return runName{}, false
	}
	for t := range Table(tables) {
		if schemas[t].name != parts[0] {
			continue
		}
		from, err1 := strconv.ParseUint(parts[1], 10, 64)
		to, err2 := strconv.ParseUint(parts[2], 10, 64)
		n := runName{t, Position(from), Position(to)}
		return n, err1 == nil && err2 == nil && from < to && n.String() == name
	}
	return runName{}, false
}

// ourFiles are the names that an index gives to files: runs, and files under
// construction.
func ourFiles(names []string) []string {
	var ours []string
	for _, name := range names {
		if _, ok := parseName(strings.TrimSuffix(name, tempSuffix)); ok {
			ours = append(ours, name)
		}
	}
	return ours
}

// startOf returns where a file of an index begins.
func startOf(name string) Position {
	n, _ := parseName(strings.TrimSuffix(name, tempSuffix))
	return n.from
}
