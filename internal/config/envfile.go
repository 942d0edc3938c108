package config

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/joho/godotenv"

	"pets/domain"
	"pets/internal/owner"
)

// envFile is the name of the file in the working folder.
const envFile = ".env"

// maxEnvFile limits the file, in bytes.
const maxEnvFile = 64 << 10

// Forms of a line. A value without quotes is plain ASCII without the six
// characters that some reader treats specially ($ # ' " ` and \); between single
// quotes every printable character stands for itself.
var (
	assignment = regexp.MustCompile(`^(?:export +)?([A-Za-z_][A-Za-z0-9_]*)=(.*)$`)
	bareValue  = regexp.MustCompile(`^[!%&(-\[\]-_a-~][ !%&(-\[\]-_a-~]*$`)
	quoted     = regexp.MustCompile(`^(?:'[^'\\\pC]*'|"[^"'$\\\pC]*")$`)
)

// readEnvFile reads dir/.env, if there is one, and refuses every line on which
// the common readers of such files disagree.
//
// godotenv, which parses it, replaces $NAME (even if there is no such name), cuts
// values at " #", reads several quotes in a row as one, and continues beyond the
// end of the line after an open quote: a password could silently be shortened. So
// every line is checked first, and only lines are accepted whose value is exactly
// what is written there:
//
//	NAME=value          without $ # ' " ` and \
//	NAME='any $ # text'  without ' and \
//	NAME="any # text"    without " ' $ and \
//
// Whoever can write the file decides where keys are sent and where stores lie. So
// it has to belong to this user, to root, or, where root runs this, to the owner
// of one of the stores, and nobody else may write to it. The same holds for its
// folder: whoever may write there can give its name to another file of this user.
func readEnvFile(dir string, stores ...string) (map[string]string, error) {
	text, err := beginning(filepath.Join(dir, envFile), stores)
	if errors.Is(err, os.ErrNotExist) {
		return map[string]string{}, nil
	}
	if err != nil {
		return nil, unreadable(err)
	}
	if len(text) > maxEnvFile {
		return nil, domain.Errorf(domain.CodeInvalid, "%s is larger than %d KiB", envFile, maxEnvFile>>10)
	}
	if err := checkEnvFile(string(text)); err != nil {
		return nil, err
	}
	values, err := godotenv.UnmarshalBytes(text)
	if err != nil { // its message repeats the line
		return nil, domain.Errorf(domain.CodeInvalid, "%s cannot be read", envFile)
	}
	return values, nil
}

func unreadable(err error) error {
	if untrusted := (*owner.UntrustedError)(nil); errors.As(err, &untrusted) {
		return &domain.Error{Code: domain.CodeInvalid, Field: envFile, Message: "is not read, because others may have written it", Cause: err}
	}
	return &domain.Error{Code: domain.CodeInvalid, Field: envFile, Message: "cannot be read", Cause: err}
}

// checkEnvFile refuses the first line that is not one assignment, one comment or
// empty, and a name that occurs twice.
func checkEnvFile(text string) error {
	first := map[string]int{}
	number := 0
	for line := range strings.Lines(text) {
		number++
		line = strings.Trim(line, " \t\r\n")
		if line == "" || line[0] == '#' {
			continue
		}
		m := assignment.FindStringSubmatch(line)
		if m == nil {
			return lineError(number, "is not NAME=value")
		}
		name, value := m[1], m[2]
		if value != "" && !bareValue.MatchString(value) && !quoted.MatchString(value) {
			return lineError(number, name+": put the value between single quotes, as in NAME='value', without ' and \\ in it and with nothing after it")
		}
		if first[name] != 0 {
			return lineError(number, name+" occurs twice in the file")
		}
		first[name] = number
	}
	return nil
}

func lineError(number int, message string) error {
	return domain.Errorf(domain.CodeInvalid, "%s line %d: %s", envFile, number, message)
}

// lenient reads what it can of a .env file, and skips every line that readEnvFile
// would refuse. It is for stopping things, which no file may prevent: it does not
// even open a file that is not a plain file, such as a pipe without a writer.
func lenient(dir string, stores ...string) (values map[string]string, ignored Ignored) {
	values = map[string]string{}
	text, err := beginning(filepath.Join(dir, envFile), stores)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return values, Ignored{}
	case err != nil:
		return values, Ignored{[]error{unreadable(err)}, slices.Clone(targets)}
	case len(text) > maxEnvFile:
		ignored = Ignored{
			[]error{domain.Errorf(domain.CodeInvalid, "%s is larger than %d KiB: the rest is not read", envFile, maxEnvFile>>10)},
			slices.Clone(targets),
		}
		text = text[:bytes.LastIndexByte(text[:maxEnvFile], '\n')+1]
	}
	number := 0
	skipped := func(line, what string) {
		if len(ignored.Errors) < maxSkipped { // a file of another kind has thousands
			ignored.Errors = append(ignored.Errors, lineError(number, what))
		}
		ignored.Unsure = append(ignored.Unsure, mayName(line)...)
	}
	for line := range strings.Lines(string(text)) {
		number++
		line = strings.Trim(line, " \t\r\n")
		if line == "" || line[0] == '#' {
			continue
		}
		one, err := assigned(line)
		if err != nil {
			skipped(line, "cannot be read")
			continue
		}
		for name, value := range one {
			if _, twice := values[name]; twice {
				skipped(line, name+" occurs twice in the file; the first counts")
				continue
			}
			values[name] = value
		}
	}
	return values, ignored
}

// mayName lists the target variables that an unreadable line may have been meant
// to set.
func mayName(line string) []string {
	before, _, is := strings.Cut(line, "=")
	before = strings.ToUpper(before)
	var out []string
	for _, name := range targets {
		if strings.Contains(before, name) {
			out = append(out, name)
		}
	}
	name := strings.TrimSpace(strings.TrimPrefix(before, "EXPORT "))
	if !is {
		name, _, _ = strings.Cut(name, " ")
	}
	return append(out, misspelt(map[string]string{name: line}, []string{name})...)
}

// maxSkipped limits how many lines are named.
const maxSkipped = 3

// assigned reads one line.
func assigned(line string) (map[string]string, error) {
	if err := checkEnvFile(line); err != nil {
		return nil, err
	}
	return godotenv.Unmarshal(line)
}

// beginning reads as much of a file as an .env may have, and one byte more, and
// refuses one that others own or may write to. It does not open a pipe, because
// that would block until a writer opens it.
func beginning(path string, stores []string) ([]byte, error) {
	info, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) {
		if _, linked := os.Lstat(path); linked == nil {
			return nil, errors.New("it is a link to a missing file")
		}
	}
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("it is not a plain file")
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // read only
	if os.Geteuid() != 0 {
		stores = nil // only root works on stores of others
	}
	trust := owner.TrustOf(stores...)
	if err := errors.Join(trust.Name(path), trust.File(f), places(trust, path)); err != nil { // a link of others leads to what they like
		return nil, err
	}
	return io.ReadAll(io.LimitReader(f, maxEnvFile+1))
}

// places refuses the folder of a file, and that of the file that a link leads to, if
// others may rename files there.
func places(trust owner.Trust, path string) error {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return err
	}
	return errors.Join(trust.Place(filepath.Dir(path)), trust.Place(filepath.Dir(real)))
}
