package bench

import "io"

// Sync returns a contender that makes one small write and flush on a growing file
// in a folder: what no durable answer can be faster than.
func Sync(dir string) (Contender, io.Closer, error) {
	raw, err := newRawFile(dir, "sync")
	if err != nil {
		return Contender{}, nil, err
	}
	return Contender{Name: "raw write and fdatasync", Writers: 1, Work: func(int) error { return raw.alone(filler) }}, raw.f, nil
}
