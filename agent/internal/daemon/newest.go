package daemon

import "time"

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
