// Package sealed keeps a process's memory, which holds secrets, from other processes.
package sealed

import (
	"errors"
	"fmt"
	"os"
	"runtime/debug"

	"golang.org/x/sys/unix"
)

// Inspectable is the environment variable that leaves a process open to profilers,
// debuggers and measurements of its user, if it is "1". Core files stay off.
const Inspectable = "INU_LOGSMITH_INSPECTABLE"

// Process closes this process to debuggers of its own user and keeps it from leaving a
// core file, and a crash from telling more than the goroutine that crashed. Its first
// effect is on proc(5): environ, mem, maps and fd become root's. What a process was
// started with could be read before, so this comes first in main.
//
// Linux undoes it at each exec, so every process has to do it for itself; the limit for
// core files is inherited.
func Process() error {
	debug.SetTraceback("single") // no more than GOTRACEBACK asks for is possible
	var errs []error
	if os.Getenv(Inspectable) != "1" {
		if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
			errs = append(errs, fmt.Errorf("close the process to debuggers (prctl): %w", err))
		}
	}
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		errs = append(errs, fmt.Errorf("switch off core files (setrlimit): %w", err))
	}
	return errors.Join(errs...)
}
