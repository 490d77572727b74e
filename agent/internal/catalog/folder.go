package catalog

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

const dirPrefix = "inu-logsmith-"

// makeDir makes a folder for sockets of this agent, named after its process so that the
// next agent can tell the folders of agents that were killed, and remove them.
func makeDir(parent string) (string, error) {
	old, _ := filepath.Glob(filepath.Join(parent, dirPrefix+"*"))
	for _, dir := range old {
		process, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(dir), dirPrefix), "-")
		pid, _, found := strings.Cut(process, ".")
		if n, err := strconv.Atoi(pid); found && err == nil && process != processName(n) {
			_ = os.RemoveAll(dir)
		}
	}
	dir, err := os.MkdirTemp(parent, dirPrefix+processName(os.Getpid())+"-")
	if err != nil {
		return "", fmt.Errorf("make folder for plugin sockets: %w (it lies in $RUNTIME_DIRECTORY, else in $TMPDIR, else in /tmp: name one that this user may write to)", err)
	}
	return dir, nil
}

// processName tells one process from all others since the machine was started, as a
// pid alone does not: in a container the agent always has the same. The second part is
// the start time of proc_pid_stat(5), its 22nd field.
func processName(pid int) string {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:]) // from the 3rd on
	if len(fields) < 20 {
		return ""
	}
	return fmt.Sprintf("%d.%s", pid, fields[19])
}
