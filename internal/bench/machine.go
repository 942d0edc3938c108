package bench

import (
	"runtime"
	"runtime/debug"
	"strings"
)

// Machine describes where a run took place. A field that this system does not tell is empty.
type Machine struct {
	CPU        string  `json:"cpu"`
	Cores      int     `json:"cores"`
	MemoryMB   int     `json:"memory_mb"`
	Filesystem string  `json:"filesystem"`
	System     string  `json:"system"`
	Kernel     string  `json:"kernel"`
	Go         string  `json:"go"`
	Build      string  `json:"build"` // commit and mode
	Load       float64 `json:"load"`  // of the last minute, before the run
}

// Describe describes this machine, and the filesystem of a folder.
func Describe(dir string) Machine {
	m := Machine{Cores: runtime.GOMAXPROCS(0), System: runtime.GOOS + "/" + runtime.GOARCH, Go: runtime.Version()}
	m.Build = build()
	m.look(dir)
	return m
}

// build returns what distinguishes the build of this program from others of the same commit.
func build() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	var parts []string
	for _, s := range info.Settings {
		if s.Key == "CGO_ENABLED" || s.Key == "GOEXPERIMENT" {
			parts = append(parts, s.Key+"="+s.Value)
		}
	}
	return strings.Join(parts, " ")
}

// Lines returns the machine as text.
func (m Machine) Lines() []string {
	lines := []string{
		orUnknown(m.CPU) + ", " + figure(float64(m.Cores)) + " cores, " + figure(float64(m.MemoryMB)) + " MB, load " + figure(m.Load) + " before the run",
		orUnknown(m.Filesystem) + ", " + m.System + " " + m.Kernel + ", " + m.Go,
	}
	if m.Build != "" {
		lines = append(lines, "build "+m.Build)
	}
	return lines
}

func orUnknown(text string) string {
	if text == "" {
		return "unknown"
	}
	return text
}

// differs names what is different on another machine. The commit and the load may be.
func (m Machine) differs(other Machine) (what []string) {
	for _, f := range []struct {
		name         string
		same         bool
		before, here string
	}{
		{"CPU", m.CPU == other.CPU, other.CPU, m.CPU},
		{"cores", m.Cores == other.Cores, figure(float64(other.Cores)), figure(float64(m.Cores))},
		{"memory", m.MemoryMB == other.MemoryMB, figure(float64(other.MemoryMB)) + " MB", figure(float64(m.MemoryMB)) + " MB"},
		{"filesystem", m.Filesystem == other.Filesystem, other.Filesystem, m.Filesystem},
		{"system", m.System == other.System, other.System, m.System},
		{"kernel", m.Kernel == other.Kernel, other.Kernel, m.Kernel},
		{"Go", m.Go == other.Go, other.Go, m.Go},
	} {
		if !f.same {
			what = append(what, f.name+": "+orUnknown(f.before)+" then, "+orUnknown(f.here)+" now")
		}
	}
	return what
}
