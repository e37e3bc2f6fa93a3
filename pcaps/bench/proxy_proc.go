package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of /proc's CPU times (USER_HZ).
const tick = 10 * time.Millisecond

// A footprint is what a process and its descendants take.
type footprint struct {
	peak, resident, proportional int64 // bytes: VmHWM, VmRSS, Pss
	files, threads               int64
}

// family lists a process and its descendants.
func family(pid int) ([]int, error) {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil, err
	}
	children := map[int][]int{}
	for _, path := range stats {
		id, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err != nil {
			continue
		}
		if fields, err := statFields(id); err == nil { // else it has ended
			children[int(fields[1])] = append(children[int(fields[1])], id)
		}
	}
	all := []int{pid}
	for i := 0; i < len(all); i++ {
		all = append(all, children[all[i]]...)
	}
	return all, nil
}

// statFields are what /proc/PID/stat has after the program's name, as far as
// the CPU times; what is no number is 0.
func statFields(pid int) ([]int64, error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil, err
	}
	const wanted = 15
	texts := strings.Fields(string(raw[bytes.LastIndexByte(raw, ')')+1:]))
	if len(texts) < wanted {
		return nil, fmt.Errorf("/proc/%d/stat: %d fields", pid, len(texts))
	}
	fields := make([]int64, wanted)
	for i := range fields {
		fields[i], _ = strconv.ParseInt(texts[i], 10, 64)
	}
	return fields, nil
}

// cpuTime is what a process and its descendants have used so far, user and
// system.
func cpuTime(pid int) (time.Duration, error) {
	all, err := family(pid)
	if err != nil {
		return 0, err
	}
	var ticks int64
	for _, id := range all {
		fields, err := statFields(id)
		if err != nil {
			if id == pid {
				return 0, err
			}
			continue
		}
		for _, t := range fields[11:15] { // utime, stime, and those of children that ended
			ticks += t
		}
	}
	return time.Duration(ticks) * tick, nil
}

// footprintOf reads what a process and its descendants take.
func footprintOf(pid int) (footprint, error) {
	var f footprint
	all, err := family(pid)
	if err != nil {
		return f, err
	}
	for _, id := range all {
		status, err := labelled(fmt.Sprintf("/proc/%d/status", id))
		if err != nil {
			if id == pid {
				return f, err
			}
			continue
		}
		f.peak += status["VmHWM"] << 10
		f.resident += status["VmRSS"] << 10
		f.threads += status["Threads"]
		if shares, err := labelled(fmt.Sprintf("/proc/%d/smaps_rollup", id)); err == nil {
			f.proportional += shares["Pss"] << 10
		}
		if files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", id)); err == nil {
			f.files += int64(len(files))
		}
	}
	return f, nil
}

// labelled reads a file of "Label: NUMBER ..." lines.
func labelled(path string) (map[string]int64, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	values := map[string]int64{}
	for line := range strings.Lines(string(raw)) {
		label, rest, _ := strings.Cut(line, ":")
		if fields := strings.Fields(rest); len(fields) > 0 {
			if n, err := strconv.ParseInt(fields[0], 10, 64); err == nil {
				values[label] = n
			}
		}
	}
	return values, nil
}

// kernelMemory is what the machine's kernel holds in TCP buffers and in its own
// objects (sockets, pipes, files), in bytes, whoever they are for.
func kernelMemory() (int64, error) {
	raw, err := os.ReadFile("/proc/net/sockstat")
	if err != nil {
		return 0, err
	}
	var buffers int64
	for line := range strings.Lines(string(raw)) {
		fields := strings.Fields(line)
		for i := 1; i+1 < len(fields); i++ {
			if fields[0] == "TCP:" && fields[i] == "mem" {
				pages, _ := strconv.ParseInt(fields[i+1], 10, 64)
				buffers = pages * int64(os.Getpagesize())
			}
		}
	}
	info, err := labelled("/proc/meminfo")
	return buffers + info["SUnreclaim"]<<10, err
}
