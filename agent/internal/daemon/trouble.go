package daemon

import (
	"fmt"
	"time"
)

// Troubles says what does not work at present, a line each, the oldest pipeline's first.
func (d *Daemon) Troubles() []string {
	var all []string
	for _, u := range d.current() {
		for _, s := range u.Stats().Sources {
			for _, f := range s.Failures {
				all = append(all, fmt.Sprintf("%s: %s %s: %s", u.Name, f.What, s.Name, f.Err))
			}
		}
		for _, s := range u.Stats().Health {
			for _, f := range s.Failures {
				all = append(all, fmt.Sprintf("%s: %s %s: %s", u.Name, f.What, s.Name, f.Err))
			}
		}
	}
	return all
}

// Newest is the time of the newest event that was seen, and is stored or filtered; zero if
// there was none.
func (d *Daemon) Newest() (newest time.Time) {
	for _, u := range d.current() {
		for _, s := range u.Stats().Sources {
			for _, stream := range s.Streams {
				if stream.Newest.After(newest) {
					newest = stream.Newest
				}
			}
		}
	}
	return newest
}
