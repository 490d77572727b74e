package catalog

import "time"

// State is how the plugin of one block is.
type State struct {
	Block, Kind, Type string
	Running           bool // open and answering
	PID               int  // of the latest process; 0 if none has started
	// Restarts counts the processes that were started after the first one.
	Restarts int
	// Crashes counts the ends within the last ten minutes that nobody asked for.
	Crashes int
	// Degraded says that there were so many of them that somebody should look.
	Degraded bool
	// Err is why the plugin does not run, or else how its last process ended; nil if
	// all is well.
	Err error
	// Output is the end of what the last process that crashed wrote to its log.
	Output []string
}

func (i *instance) state() State {
	i.mu.Lock()
	defer i.mu.Unlock()
	now := time.Now()
	s := State{
		Block: i.launch.block, Kind: i.launch.kind, Type: i.launch.typ,
		Running: i.running != nil, PID: i.pid, Restarts: max(0, i.starts-1),
		Crashes: i.restarts.count(now), Degraded: i.restarts.degraded(now),
		Err: i.err, Output: i.output,
	}
	if s.Err == nil {
		s.Err = i.crash
	}
	return s
}
