//go:build unix && !linux && !darwin && !freebsd

package httpapi

import (
	"errors"
	"net"
)

// peerOf cannot identify the peer on this system, so every caller needs a key.
func peerOf(*net.UnixConn) (uint32, error) { return 0, errors.ErrUnsupported }
