package bench

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// look fills in what Linux tells in /proc.
func (m *Machine) look(dir string) {
	m.CPU = procValue("/proc/cpuinfo", "model name")
	if kb, err := strconv.Atoi(strings.TrimSuffix(procValue("/proc/meminfo", "MemTotal"), " kB")); err == nil {
		m.MemoryMB = kb / 1024
	}
	if b, err := os.ReadFile("/proc/loadavg"); err == nil {
		first, _, _ := strings.Cut(string(b), " ")
		m.Load, _ = strconv.ParseFloat(first, 64) // 0 if it cannot be read
	}
	var u unix.Utsname
	if unix.Uname(&u) == nil {
		m.Kernel = unix.ByteSliceToString(u.Release[:])
	}
	m.Filesystem = filesystem(dir)
}

// procValue returns the value of the first line of a file that begins with a name.
func procValue(file, name string) string {
	b, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(b)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// filesystem returns the type of the filesystem with a folder: that of the longest mount point
// above it.
func filesystem(dir string) string {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return ""
	}
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return ""
	}
	best, kind := -1, ""
	for line := range strings.Lines(string(mounts)) {
		f := strings.Fields(line)
		if len(f) < 3 {
			continue
		}
		inside := dir == f[1] || strings.HasPrefix(dir, strings.TrimSuffix(f[1], "/")+"/")
		if inside && len(f[1]) >= best { // of two at the same point, the later one is on top
			best, kind = len(f[1]), f[2]
		}
	}
	return kind
}

// Resident returns the memory of a process that is resident, and the most that was, in bytes.
func Resident(pid int) (now, most float64, ok bool) {
	status := "/proc/" + strconv.Itoa(pid) + "/status"
	return kilobytes(status, "VmRSS"), kilobytes(status, "VmHWM"), procValue(status, "VmRSS") != ""
}

func kilobytes(file, name string) float64 {
	kb, err := strconv.ParseFloat(strings.TrimSuffix(procValue(file, name), " kB"), 64)
	if err != nil {
		return 0
	}
	return kb * 1024
}

// Worked returns the processor time that this process has used, which other load on the machine
// hardly changes.
func Worked() time.Duration {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
