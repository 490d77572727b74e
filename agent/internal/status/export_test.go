package status

import "time"

// Remember gives a pipeline a past.
func (m *Monitor) Remember(pipeline string, fine, coarse []Point) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := newSeries()
	s.fine, s.coarse = fine, coarse
	for i := range m.report.Pipelines {
		p := &m.report.Pipelines[i] // of which it read a lot just now
		s.samples = []sample{
			{time: m.report.Time.Add(-time.Minute), read: p.Read - 60*117, stored: storedBy(p) - 60*73},
			{time: m.report.Time, read: p.Read, stored: storedBy(p)},
		}
	}
	m.series[pipeline] = s
	m.report = Report{}
	m.look(time.Now())
}
