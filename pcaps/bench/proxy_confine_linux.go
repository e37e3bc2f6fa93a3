package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// processors lists those that this program may use.
func processors() ([]int, error) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return nil, os.NewSyscallError("sched_getaffinity", err)
	}
	all := make([]int, 0, set.Count())
	for cpu := 0; len(all) < set.Count(); cpu++ {
		if set.IsSet(cpu) {
			all = append(all, cpu)
		}
	}
	return all, nil
}

// confine leaves a process and its descendants some processors only. Go programs
// then use no more threads than those, some moments later.
func confine(pid int, cpus []int) error {
	var set unix.CPUSet
	for _, cpu := range cpus {
		set.Set(cpu)
	}
	all, err := family(pid)
	if err != nil {
		return err
	}
	for _, id := range all {
		for range 2 { // threads that are started meanwhile by others that were not confined yet
			tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/[0-9]*", id))
			if err != nil {
				return err
			}
			for _, path := range tasks {
				task, err := strconv.Atoi(filepath.Base(path))
				if err != nil {
					continue
				}
				if err := unix.SchedSetaffinity(task, &set); err != nil && !errors.Is(err, unix.ESRCH) { // else it has ended
					return os.NewSyscallError("sched_setaffinity", err)
				}
			}
		}
	}
	return nil
}
