//go:build unix && !linux && !darwin && !freebsd

package embedded

import (
	"errors"
	"os"
)

func freeOn(*os.File) (uint64, error) { return 0, errors.ErrUnsupported }
