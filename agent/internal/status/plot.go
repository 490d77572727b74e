package status

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// plotView is one plot: paths in a box of 600 by 140.
type plotView struct {
	Title, Class, Now, Top, From string
	Line, Second, Area           string // of the paths
	Legend                       bool
	// Readouts are what to say of each point: "x|words", separated by semicolons.
	Readouts string
}

const (
	plotWidth  = 600
	plotHeight = 140
	plotFloor  = plotHeight - 1
)

func ratePlot(p *Pipeline, points []Point, now time.Time, length time.Duration) plotView {
	top := 1.0
	for _, x := range points {
		top = max(top, x.Read, x.Stored)
	}
	top = niceTop(top)
	v := plotView{
		Title: "Events per second", Class: "rate", Now: perSecond(p.ReadRate),
		Top: grouped(int64(top)), From: Span(length) + " ago", Legend: true,
	}
	read := func(x Point) float64 { return x.Read }
	v.Line = line(points, now, length, top, read)
	v.Second = line(points, now, length, top, func(x Point) float64 { return x.Stored })
	v.Area = area(points, now, length, top, read)
	v.Readouts = readouts(points, now, length, func(x Point) string {
		return fmt.Sprintf("%s read %.1f/s, stored %.1f/s", clock(x.Time), x.Read, x.Stored)
	})
	return v
}

func lagPlot(lag string, points []Point, now time.Time, length time.Duration) plotView {
	top := 60.0
	for _, x := range points {
		top = max(top, x.Lag)
	}
	top *= 1.25 // the label needs room
	v := plotView{
		Title: "Lag of the newest event", Class: "lag", Now: lag,
		Top: Span(time.Duration(top) * time.Second), From: Span(length) + " ago",
	}
	of := func(x Point) float64 { return x.Lag }
	v.Line = line(points, now, length, top, of)
	v.Area = area(points, now, length, top, of)
	v.Readouts = readouts(points, now, length, func(x Point) string {
		if x.Lag < 0 {
			return clock(x.Time) + " no event yet"
		}
		return clock(x.Time) + " " + Span(time.Duration(x.Lag*float64(time.Second)))
	})
	return v
}

func clock(t time.Time) string { return t.UTC().Format("15:04:05 UTC") }

// niceTop is a round number that is not below v.
func niceTop(v float64) float64 {
	scale := math.Pow(10, math.Floor(math.Log10(v)))
	for _, n := range []float64{1, 1.5, 2, 2.5, 3, 4, 5, 7.5} {
		if n*scale >= v {
			return n * scale
		}
	}
	return 10 * scale
}

func place(x Point, value float64, now time.Time, length time.Duration, top float64) (float64, float64) {
	return placeX(x, now, length), 1 + (plotFloor-1)*(1-min(1, value/top))
}

func placeX(x Point, now time.Time, length time.Duration) float64 {
	return plotWidth * max(0, 1-float64(now.Sub(x.Time))/float64(length))
}

// runs cuts points where the value is unknown.
func runs(points []Point, value func(Point) float64) [][]Point {
	var all [][]Point
	var run []Point
	for _, x := range points {
		if value(x) >= 0 {
			run = append(run, x)
			continue
		}
		if len(run) > 0 {
			all = append(all, run)
		}
		run = nil
	}
	if len(run) > 0 {
		all = append(all, run)
	}
	return all
}

func line(points []Point, now time.Time, length time.Duration, top float64, value func(Point) float64) string {
	var b strings.Builder
	for _, run := range runs(points, value) {
		for i, x := range run {
			px, py := place(x, value(x), now, length, top)
			b.WriteByte("ML"[min(i, 1)])
			fmt.Fprintf(&b, "%.1f %.1f", px, py)
		}
	}
	return b.String()
}

func area(points []Point, now time.Time, length time.Duration, top float64, value func(Point) float64) string {
	var b strings.Builder
	for _, run := range runs(points, value) {
		fmt.Fprintf(&b, "M%.1f %d", placeX(run[0], now, length), plotFloor)
		for _, x := range run {
			px, py := place(x, value(x), now, length, top)
			fmt.Fprintf(&b, "L%.1f %.1f", px, py)
		}
		fmt.Fprintf(&b, "L%.1f %dZ", placeX(run[len(run)-1], now, length), plotFloor)
	}
	return b.String()
}

func readouts(points []Point, now time.Time, length time.Duration, words func(Point) string) string {
	all := make([]string, 0, len(points))
	for _, x := range points {
		all = append(all, fmt.Sprintf("%.1f|%s", placeX(x, now, length), words(x)))
	}
	return strings.Join(all, ";")
}
