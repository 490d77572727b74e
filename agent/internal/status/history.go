package status

import "time"

// How much is remembered: fine steps for what just happened, coarse ones for a day.
const (
	fineStep   = 5 * time.Second
	fineKept   = 180 // 15 minutes
	coarseStep = 5 * time.Minute
	coarseKept = 288 // 24 hours
	rateOver   = time.Minute
)

// A Point is what a pipeline was like over one step.
type Point struct {
	Time         time.Time
	Read, Stored float64 // events a second
	Lag          float64 // seconds; negative if unknown
	Backlog      int     // splits
}

// sample is one look at a pipeline's counts.
type sample struct {
	time         time.Time
	read, stored int64
}

// series is the history of one pipeline, bounded.
type series struct {
	samples      []sample // of the last minute, one more at most
	fine, coarse []Point
	sum          Point // of the coarse step that has begun
	summed       int
}

func newSeries() *series { return &series{sum: Point{Lag: -1}} }

// add notes how a pipeline is now. It is called at every fine step.
func (s *series) add(p *Pipeline, now time.Time) {
	last := sample{time: now, read: p.Read, stored: storedBy(p)}
	if n := len(s.samples); n > 0 {
		before := s.samples[n-1]
		if last.read < before.read || last.stored < before.stored {
			s.samples = nil // the pipeline was built anew, and counts from 0
		}
	}
	point := Point{Time: now, Lag: -1}
	if n := len(s.samples); n > 0 {
		point.Read, point.Stored = rates(s.samples[n-1], last)
	}
	if p.Lag != nil {
		point.Lag = max(0, time.Duration(*p.Lag).Seconds())
	}
	for _, src := range p.Sources {
		point.Backlog += src.Backlog.Waiting + src.Backlog.Reading + src.Backlog.Writing
	}
	s.samples = append(s.samples, last)
	for len(s.samples) > 2 && now.Sub(s.samples[1].time) >= rateOver {
		s.samples = s.samples[1:]
	}
	s.fine = keep(append(s.fine, point), fineKept)
	s.sum.Read += point.Read
	s.sum.Stored += point.Stored
	s.sum.Backlog = max(s.sum.Backlog, point.Backlog)
	s.sum.Lag = max(point.Lag, s.sum.Lag)
	s.summed++
	if s.summed == int(coarseStep/fineStep) {
		n := float64(s.summed)
		s.coarse = keep(append(s.coarse, Point{
			Time: now, Read: s.sum.Read / n, Stored: s.sum.Stored / n, Lag: s.sum.Lag, Backlog: s.sum.Backlog,
		}), coarseKept)
		s.sum, s.summed = Point{Lag: -1}, 0
	}
}

// rate is the speed over the last minute.
func (s *series) rate() (read, stored float64) {
	if len(s.samples) < 2 {
		return 0, 0
	}
	return rates(s.samples[0], s.samples[len(s.samples)-1])
}

func rates(a, b sample) (read, stored float64) {
	seconds := b.time.Sub(a.time).Seconds()
	if seconds <= 0 {
		return 0, 0
	}
	return float64(b.read-a.read) / seconds, float64(b.stored-a.stored) / seconds
}

// storedBy is what the sink that stored most has stored.
func storedBy(p *Pipeline) (most int64) {
	for _, k := range p.Sinks {
		most = max(most, k.Stored)
	}
	return most
}

func keep(points []Point, n int) []Point {
	if len(points) > n {
		return points[len(points)-n:]
	}
	return points
}
