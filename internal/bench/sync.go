package bench

import "io"

// Sync returns a contender that does one small write and flush on a growing file in a
// folder. No durable answer can be faster.
func Sync(dir string) (Contender, io.Closer, error) {
	raw, err := newRawFile(dir, "sync")
	if err != nil {
		return Contender{}, nil, err
	}
	return Contender{Name: "raw write and fdatasync", Writers: 1, Work: func(int) error { return raw.alone(filler) }}, raw.f, nil
}
