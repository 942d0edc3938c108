package setup

import (
	"encoding/csv"
	"errors"
	"os"
	"slices"
	"strconv"
	"strings"

	"pets/domain"
	"pets/internal/cli"
	"pets/internal/tradefile"
)

// badRows is the CSV file of the rows that were set aside. A repeated import sets the same rows
// aside again; only rows that the file does not have yet are added.
type badRows struct {
	file *os.File
	csv  *csv.Writer
	seen map[string]bool
}

var badRowsHeader = []string{"file", "line", "reason", "row"}

func openBadRows(path string, bad []tradefile.BadRow) (*badRows, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	b := &badRows{file: file, csv: csv.NewWriter(file), seen: map[string]bool{}}
	err = b.read()
	for _, row := range bad {
		if err == nil {
			err = b.write(row.File, row.Line, row.Field+": "+row.Reason, string(row.Raw))
		}
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return b, nil
}

// read reads what an earlier run has set aside. It refuses a file of any other kind.
func (b *badRows) read() error {
	rows, err := csv.NewReader(b.file).ReadAll()
	switch {
	case err != nil || (len(rows) > 0 && !slices.Equal(rows[0], badRowsHeader)):
		return cli.Usage(domain.Invalid("--skip-bad", "names an existing file that does not hold rows set aside; it is left as it is"))
	case len(rows) == 0:
		return b.csv.Write(badRowsHeader)
	}
	for _, row := range rows[1:] {
		b.seen[identity(row)] = true
	}
	return nil
}

func (b *badRows) write(file string, line int, reason, raw string) error {
	row := []string{file, strconv.Itoa(line), strings.TrimPrefix(reason, ": "), raw}
	if b.seen[identity(row)] {
		return nil
	}
	b.seen[identity(row)] = true
	return b.csv.Write(row)
}

// identity returns a row's place and text, without the reason, which may differ in a later run.
func identity(row []string) string { return strings.Join([]string{row[0], row[1], row[3]}, "\x00") }

// add sets aside a row that was parsed but could not be booked.
func (b *badRows) add(row tradefile.Row, reason error) error {
	return b.write(row.File, row.Line, reason.Error(), row.Raw())
}

func (b *badRows) close() error {
	if b == nil {
		return nil
	}
	b.csv.Flush()
	return errors.Join(b.csv.Error(), b.file.Close())
}
