package tradefile

import "bytes"

// RawRows returns the rows of a file as they stand there, without the line end,
// by the line they begin in: for rows that were read well and are refused later.
func RawRows(path string) (map[int]string, error) {
	stored, err := load(path, defaultLimits.bytes)
	if err != nil {
		return nil, err
	}
	data, err := unpack(path, stored, defaultLimits.bytes)
	if err != nil {
		return nil, err
	}
	rows := make(map[int]string)
	s := newScanner(bytes.TrimPrefix(data, utf8BOM), defaultLimits)
	for s.next() {
		rows[s.first] = string(s.raw)
	}
	return rows, nil
}
