package main

import (
	"golang.org/x/sys/unix"

	"pets/internal/httpapi"
	"pets/internal/metrics"
)

// health is how what is behind the API is doing.
func (s *server) health() httpapi.Health {
	var h httpapi.Health
	if free, ok := s.free(); ok {
		h.Free, h.Reserve = free, s.app.config.DiskReserve
	}
	return h
}

// free is the space left for the store; ok is false where nobody can tell.
func (s *server) free() (bytes int64, ok bool) {
	dir, err := s.app.config.StoreDir()
	if err != nil {
		return 0, false
	}
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		return 0, false
	}
	return int64(fs.Bavail) * int64(fs.Bsize), true //nolint:gosec,unconvert // sizes of disks; their types differ from system to system
}

func (s *server) healthForMetrics() metrics.Health {
	h := s.health()
	return metrics.Health{
		Poisoned: h.Poisoned != nil, Damaged: h.Damaged != nil,
		DiskFree: h.Free, DiskReserve: h.Reserve, StopsPending: h.PendingStops,
	}
}
