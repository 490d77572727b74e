package conformance

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// lifeChecks are about the process. The last one stores most, so that no other has to
// look through all of that.
func (s *Suite) lifeChecks() []Check {
	flat := s.check("keeps its memory over 500 batches", checkSinkMemory)
	if s.description.Kind == "source" {
		flat = s.check("keeps its memory over 500 readings", checkSourceMemory)
	}
	return []Check{
		s.check("leaves signals to the agent", checkSignals),
		s.check("opens and closes 50 times", checkOpenClose),
		flat,
	}
}

// work makes the open plugin do a little of what it is for.
func (p *process) work() error {
	if p.trial.description.Kind == "source" {
		_, err := p.discover(p.trial.ctx, sdk.TimeRange{})
		return err
	}
	_, err := p.accepted(p.trial.events(1).batch())
	return err
}

// checkSignals sends what systemd and terminals send to whole groups. A plugin that
// obeys cuts off the writes that the agent is waiting for.
func checkSignals(t *trial) error {
	p, err := t.open()
	if err != nil {
		return err
	}
	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP} {
		if err := syscall.Kill(p.PID(), s); err != nil {
			return fmt.Errorf("send %s: %w", s, err)
		}
		if err := p.work(); err != nil {
			return fmt.Errorf("after the signal %s: %w", s, err)
		}
	}
	return p.stop()
}

func checkOpenClose(t *trial) error {
	for i := range 50 {
		p, err := t.open()
		if err != nil {
			return fmt.Errorf("time %d: %w", i+1, err)
		}
		if err := p.work(); err != nil {
			return fmt.Errorf("time %d: %w", i+1, err)
		}
		if err := p.stop(); err != nil {
			return fmt.Errorf("time %d: %w", i+1, err)
		}
	}
	return nil
}

// Bounds of what a plugin may grow by while it does the same again and again. The room
// is for garbage collectors; what keeps the events of 400 batches breaks them.
const (
	warmUp       = 100
	rounds       = 500
	roundEvents  = 100 // of 1.5 KB: 400 rounds are 60 MB
	memoryGrowth = 30 << 20
	fileGrowth   = 10
)

func checkSinkMemory(t *trial) error {
	p, err := t.open()
	if err != nil {
		return err
	}
	return p.flat(func() error {
		_, err := p.accepted(t.events(roundEvents).batch())
		return err
	})
}

// flat repeats work and looks at what the process holds.
func (p *process) flat(work func() error) error {
	var before usage
	for i := range rounds {
		if err := work(); err != nil {
			return fmt.Errorf("round %d: %w", i+1, err)
		}
		if i != warmUp {
			continue
		}
		var err error
		if before, err = usageOf(p.PID()); err != nil {
			return err
		}
	}
	after, err := usageOf(p.PID())
	if err != nil {
		return err
	}
	return errors.Join(grown(before, after), p.stop())
}

// usage is what a process holds.
type usage struct {
	memory int64 // bytes of its own, not of files
	files  int   // descriptors
}

func grown(before, after usage) error {
	var errs []error
	if after.memory > before.memory+memoryGrowth {
		errs = append(errs, fmt.Errorf("its memory grew from %d to %d MiB over %d rounds of the same work", before.memory>>20, after.memory>>20, rounds-warmUp))
	}
	if after.files > before.files+fileGrowth {
		errs = append(errs, fmt.Errorf("its open files grew from %d to %d over %d rounds of the same work", before.files, after.files, rounds-warmUp))
	}
	return errors.Join(errs...)
}

func usageOf(pid int) (usage, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return usage{}, err
	}
	files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		return usage{}, err
	}
	memory, err := anonymous(string(status))
	return usage{memory: memory, files: len(files)}, err
}

// anonymous reads RssAnon of /proc/PID/status (proc(5)), in bytes.
func anonymous(status string) (int64, error) {
	_, rest, found := strings.Cut(status, "RssAnon:")
	fields := strings.Fields(rest)
	if !found || len(fields) == 0 {
		return 0, errors.New("the kernel does not tell RssAnon")
	}
	n, err := strconv.ParseInt(fields[0], 10, 64)
	return n << 10, err
}

// discover lists all splits in r.
func (p *process) discover(ctx context.Context, r sdk.TimeRange) ([]sdk.Split, error) {
	var splits []sdk.Split
	err := p.Source().Discover(ctx, r, func(page []sdk.Split) error {
		splits = append(splits, page...)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("discover: %w", err)
	}
	return splits, nil
}
