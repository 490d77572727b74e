package main

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// A metric is one figure of a measurement with its unit, in benchstat's manner.
type metric struct {
	unit  string
	value float64
}

func perMillion(d time.Duration, events int) float64 { return d.Seconds() / float64(events) * 1e6 }

// A report prints each measurement when it is made, and the medians at the end.
type report struct {
	names []string
	units map[string][]string // by name, in order
	runs  map[string]map[string][]float64
}

func newReport() *report {
	return &report{units: make(map[string][]string), runs: make(map[string]map[string][]float64)}
}

func (r *report) head(b *bench) {
	fmt.Printf("goos: %s\ngoarch: %s\ncpus: %d\npostgres: %s\n", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), b.pg.settings)
	if b.objects != nil {
		fmt.Printf("bucket: %d events in %d objects, %.0f MB gzipped\n", b.objects.Records, b.objects.Objects, float64(b.objects.Bytes)/1e6)
	}
}

// add notes and prints one measurement of n events.
func (r *report) add(name string, n int, wall time.Duration, more ...metric) {
	if r.runs[name] == nil {
		r.names = append(r.names, name)
		r.runs[name] = make(map[string][]float64)
	}
	metrics := append([]metric{{"ns/op", float64(wall.Nanoseconds())}, {"events/s", float64(n) / wall.Seconds()}}, more...)
	var line strings.Builder
	fmt.Fprintf(&line, "BenchmarkEndToEnd/%s-%d 1", name, runtime.GOMAXPROCS(0))
	for _, m := range metrics {
		if r.runs[name][m.unit] == nil {
			r.units[name] = append(r.units[name], m.unit)
		}
		r.runs[name][m.unit] = append(r.runs[name][m.unit], m.value)
		fmt.Fprintf(&line, " %.4g %s", m.value, m.unit)
	}
	fmt.Println(line.String())
}

// median is that of a unit over the rounds.
func (r *report) median(name, unit string) (float64, bool) {
	values := slices.Sorted(slices.Values(r.runs[name][unit]))
	if len(values) == 0 {
		return 0, false
	}
	return (values[(len(values)-1)/2] + values[len(values)/2]) / 2, true
}

// ratio is the median over the rounds of one measurement's time by another's.
func (r *report) ratio(name, to string) (float64, bool) {
	a, b := r.runs[name]["ns/op"], r.runs[to]["ns/op"]
	var ratios []float64
	for i := range min(len(a), len(b)) {
		ratios = append(ratios, a[i]/b[i])
	}
	if len(ratios) == 0 {
		return 0, false
	}
	slices.Sort(ratios)
	return (ratios[(len(ratios)-1)/2] + ratios[len(ratios)/2]) / 2, true
}

// A bound is what a figure is held against.
type bound struct {
	what    string
	value   float64
	ok      bool // it was measured
	atLeast bool
	limit   float64
}

func (r *report) bounds() []bound {
	of := func(name, unit string) (float64, bool) { return r.median(name, unit) }
	var all []bound
	add := func(what string, atLeast bool, limit float64) func(float64, bool) {
		return func(v float64, ok bool) { all = append(all, bound{what, v, ok, atLeast, limit}) }
	}
	add("time of the agent / COPY on one connection", false, 0.9)(r.ratio("agent", "copy-1"))
	add("time of the agent / COPY on two connections", false, 1.6)(r.ratio("agent", "copy-2"))
	add("agent and plugins, CPU s a million events", false, 40)(of("agent", "agent+plugins-cpu-s/M"))
	add("agent, plugins and PostgreSQL, CPU s a million events", false, 134)(of("agent", "sum-cpu-s/M"))
	memory, seen := of("agent", "peak-pss-MiB")
	add("agent and plugins at full speed, MiB (PSS)", false, 256)(memory, seen && memory > 0) // a short run has no sample
	add("S3 into a discarding sink, events/s", true, 60_000)(of("discard", "events/s"))
	add("second pass, seconds", false, 10)(of("again", "seconds"))
	add("second pass, list requests per 1,000 keys", false, 1.01)(of("again", "lists/1000-keys"))
	add("second pass, ledger queries per 1,000 keys", false, 1.01)(of("again", "ledger-queries/1000-keys"))
	return all
}

// table prints the medians, and what has to hold.
func (r *report) table() {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "\nmedians\tevents/s\tfurther figures\n")
	for _, name := range r.names {
		rate, _ := r.median(name, "events/s")
		fmt.Fprintf(w, "%s\t%.0f\t", name, rate)
		for _, unit := range r.units[name] {
			if unit == "events/s" || unit == "ns/op" {
				continue
			}
			v, _ := r.median(name, unit)
			fmt.Fprintf(w, "%.4g %s  ", v, unit)
		}
		fmt.Fprintln(w)
	}
	fmt.Fprintf(w, "\nhas to hold\tmeasured\tbound\t\n")
	for _, b := range r.bounds() {
		if !b.ok {
			continue
		}
		sign, holds := "<=", b.value <= b.limit
		if b.atLeast {
			sign, holds = ">=", b.value >= b.limit
		}
		verdict := "holds"
		if !holds {
			verdict = "DOES NOT HOLD"
		}
		fmt.Fprintf(w, "%s\t%.4g\t%s %g\t%s\n", b.what, b.value, sign, b.limit, verdict)
	}
	_ = w.Flush()
	fmt.Print("\nThe bounds are for 500,000 events, five rounds, and a machine with nothing else to do.\n" +
		"What is measured, and what the figures mean: agent/docs/performance.md\n")
}
