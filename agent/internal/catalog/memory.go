package catalog

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// memoryOf is the memory that a process has for itself alone, in bytes: the RssAnon of
// proc_pid_status(5). What it shares, such as its program's text, does not count.
func memoryOf(pid int) (int64, error) {
	f, err := os.Open(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, fmt.Errorf("read memory of process: %w", err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		value, found := strings.CutPrefix(lines.Text(), "RssAnon:")
		if !found {
			continue
		}
		kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("read memory of process %d: %w", pid, err)
		}
		return kib << 10, nil
	}
	return 0, fmt.Errorf("read memory of process %d: the kernel does not tell", pid)
}
