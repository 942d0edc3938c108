package clitest

import (
	"regexp"
	"strings"
	"testing"
)

var (
	begun    = regexp.MustCompile(`(?:^|[\s:])pets(?: [a-z][a-z-]*(?: \S+)*)?$`)
	bare     = regexp.MustCompile(`(?:^|[\s:])pets(?: [a-z][a-z-]*)?$`)
	flag     = regexp.MustCompile(`^\s*--?[a-z]`)
	argument = regexp.MustCompile(`^\s*(?:[a-z]\d+\b|0x|embedded:|[a-z-]+ --)`)
)

// WholeCommands finds a command of pets that is broken without a backslash, so that who copies
// a line of it types half of it.
func WholeCommands(t *testing.T, text string) {
	t.Helper()
	lines := strings.Split(text, "\n")
	for i, line := range lines[:len(lines)-1] {
		if !strings.HasSuffix(line, `\`) && (begun.MatchString(line) && flag.MatchString(lines[i+1]) || bare.MatchString(line) && argument.MatchString(lines[i+1])) {
			t.Errorf("a command is broken without a backslash:\n%s\n%s", line, lines[i+1])
		}
	}
}
