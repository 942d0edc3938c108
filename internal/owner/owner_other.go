//go:build !unix

package owner

import "os"

func like(_, _ *os.File) error { return nil }
