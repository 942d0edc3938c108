package embedded

import (
	"runtime/debug"
	"sync"
)

// Mapper is a [File] whose bytes can be read from memory. It is optional: without
// it, or if mapping fails, everything is read by ReadAt.
type Mapper interface {
	// Map returns the first size bytes of the file as read-only memory, and a
	// function that releases it.
	Map(size uint64) (memory []byte, unmap func() error, err error)
}

// mapping is a sealed segment in memory. It saves the system calls of reads that
// jump, such as those of one stream among many. Only sealed segments are mapped,
// because their bytes do not change any more.
//
// Another process may truncate the file, or its disk may fail. The kernel then
// answers an access to the memory with a signal that would end the process, so
// every access is one guarded copy (see copyOut). A failed one is retried by
// ReadAt, which returns the actual error.
type mapping struct {
	once  sync.Once
	mu    sync.RWMutex // held for reading while memory is accessed
	bytes []byte       // nil if it is not mapped, or no longer
	unmap func() error
}

// copyOut copies n bytes from an offset of the mapped file into b. It returns
// false if the memory cannot provide them.
func (m *mapping) copyOut(b []byte, file File, size, offset uint64) bool {
	m.once.Do(func() { m.open(file, size) })
	m.mu.RLock()
	defer m.mu.RUnlock()
	if offset+uint64(len(b)) > uint64(len(m.bytes)) {
		return false
	}
	return guardedCopy(b, m.bytes[offset:])
}

func (m *mapping) open(file File, size uint64) {
	mapper, ok := file.(Mapper)
	if !ok || size == 0 {
		return
	}
	if memory, unmap, err := mapper.Map(size); err == nil {
		m.mu.Lock()
		m.bytes, m.unmap = memory, unmap
		m.mu.Unlock()
	}
}

// close releases the memory once no copy is using it.
func (m *mapping) close() error {
	m.once.Do(func() {}) // it will not be mapped from now on
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.unmap == nil {
		return nil
	}
	unmap := m.unmap
	m.bytes, m.unmap = nil, nil
	return unmap()
}

// guardedCopy is copy, but reports a memory fault instead of crashing.
func guardedCopy(to, from []byte) (ok bool) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			if _, fault := p.(interface{ Addr() uintptr }); !fault {
				panic(p) // a defect of this program, not of the disk
			}
			ok = false
		}
	}()
	return copy(to, from) == len(to)
}
