package status

import (
	"net/http"
	"runtime"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// namespace begins the name of every metric.
const namespace = "inu_logsmith"

// A metric is one family, with how to read it from a report.
type metric struct {
	desc *prometheus.Desc
	typ  prometheus.ValueType
	each func(r *Report, emit func(value float64, labels ...string))
}

// collector turns reports into metrics. The families are fixed, and their labels bounded:
// blocks by the configuration, streams by the pipeline, passes by the lanes.
type collector struct {
	report  func() Report
	metrics []metric
}

func newCollector(report func() Report) *collector {
	return &collector{report: report, metrics: slices.Concat(agentMetrics(), sourceMetrics(), backfillMetrics(), streamMetrics(), sinkMetrics(), pluginMetrics())}
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, m := range c.metrics {
		ch <- m.desc
	}
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	r := c.report()
	for _, m := range c.metrics {
		m.each(&r, func(v float64, labels ...string) {
			ch <- prometheus.MustNewConstMetric(m.desc, m.typ, v, labels...)
		})
	}
}

func define(typ prometheus.ValueType, name, help string, labels []string, each func(*Report, func(float64, ...string))) metric {
	return metric{desc: prometheus.NewDesc(namespace+"_"+name, help, labels, nil), typ: typ, each: each}
}

const (
	counter = prometheus.CounterValue
	gauge   = prometheus.GaugeValue
)

func agentMetrics() []metric {
	return []metric{
		define(gauge, "build_info", "Version of the agent; the value is always 1.", []string{"version", "goversion"},
			func(r *Report, emit func(float64, ...string)) { emit(1, r.Version, runtime.Version()) }),
		define(gauge, "ready", "1 if the agent is neither starting nor degraded.", nil,
			func(r *Report, emit func(float64, ...string)) { emit(truth(r.State == OK)) }),
		define(gauge, "degraded", "1 if the pipeline is degraded: something is not seen or not stored.", []string{"pipeline"},
			func(r *Report, emit func(float64, ...string)) {
				for _, p := range r.Pipelines {
					emit(truth(p.State == Degraded), p.Name)
				}
			}),
		define(gauge, "degraded_reasons", "Reasons why the pipeline is degraded, by kind.", []string{"pipeline", "kind"},
			func(r *Report, emit func(float64, ...string)) {
				for _, p := range r.Pipelines {
					for _, k := range []Kind{KindDenied, KindFailing, KindUnread, KindSilent, KindPlugin} {
						n := 0
						for _, x := range r.Reasons {
							if x.Pipeline == p.Name && x.Kind == k {
								n++
							}
						}
						emit(float64(n), p.Name, string(k))
					}
				}
			}),
	}
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// ofSources defines a metric that each source has once.
func ofSources(typ prometheus.ValueType, name, help string, value func(s *Source) float64) metric {
	return define(typ, name, help, []string{"pipeline", "source"}, func(r *Report, emit func(float64, ...string)) {
		for _, p := range r.Pipelines {
			for i := range p.Sources {
				emit(value(&p.Sources[i]), p.Name, p.Sources[i].Name)
			}
		}
	})
}

// stamp is a moment as Prometheus writes it; 0 for never.
func stamp(t *time.Time) float64 {
	if t == nil {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}

func sourceMetrics() []metric {
	return []metric{
		ofSources(counter, "source_events_read_total", "Events of splits that are settled.", func(s *Source) float64 { return float64(s.Read) }),
		ofSources(counter, "source_events_filtered_total", "Events that the filter left out.", func(s *Source) float64 { return float64(s.Filtered) }),
		ofSources(counter, "source_events_unevaluable_total", "Events that were kept because the filter could not be evaluated.", func(s *Source) float64 { return float64(s.Unevaluable) }),
		ofSources(counter, "source_events_unwatched_total", "Events of more accounts and Regions than are told apart.", func(s *Source) float64 { return float64(s.Unwatched) }),
		ofSources(counter, "source_splits_settled_total", "Splits that are durable in every sink.", func(s *Source) float64 { return float64(s.Settled) }),
		ofSources(counter, "source_splits_known_total", "Splits met in listings that were done already.", func(s *Source) float64 { return float64(s.Known) }),
		ofSources(counter, "source_splits_reread_total", "Splits read again because the filter changed.", func(s *Source) float64 { return float64(s.Reread) }),
		ofSources(counter, "source_splits_given_up_total", "Times a split was left for another listing.", func(s *Source) float64 { return float64(s.Failed) }),
		ofSources(counter, "source_read_bytes_total", "Bytes of settled splits, as stored at the source.", func(s *Source) float64 { return float64(s.Bytes) }),
		ofSources(gauge, "source_unread_splits", "Splits that were given up and are still not read.", func(s *Source) float64 { return float64(s.Unread) }),
		ofSources(gauge, "source_backlog_bytes", "Bytes of the splits on their way.", func(s *Source) float64 { return float64(s.Backlog.Bytes) }),
		ofSources(gauge, "source_last_listing_timestamp_seconds", "When a listing last came to its end; 0 for never.", func(s *Source) float64 { return stamp(s.LastListing) }),
		ofSources(gauge, "source_last_success_timestamp_seconds", "When a listing or a split last succeeded; 0 for never.", func(s *Source) float64 { return stamp(s.LastSuccess) }),
		define(gauge, "source_backlog_splits", "Splits on their way, by stage.", []string{"pipeline", "source", "stage"},
			func(r *Report, emit func(float64, ...string)) {
				for _, p := range r.Pipelines {
					for _, s := range p.Sources {
						emit(float64(s.Backlog.Waiting), p.Name, s.Name, "waiting")
						emit(float64(s.Backlog.Reading), p.Name, s.Name, "reading")
						emit(float64(s.Backlog.Writing), p.Name, s.Name, "writing")
					}
				}
			}),
		define(gauge, "source_failing", "1 while an operation on the source fails.", []string{"pipeline", "source", "operation"},
			func(r *Report, emit func(float64, ...string)) {
				for _, p := range r.Pipelines {
					for _, s := range p.Sources {
						for _, what := range []string{"open", "list", "watch", "read"} {
							emit(truth(fails(s.Failing, what)), p.Name, s.Name, what)
						}
					}
				}
			}),
	}
}

func fails(all []Error, what string) bool {
	return slices.ContainsFunc(all, func(e Error) bool { return e.What == what })
}

func backfillMetrics() []metric {
	of := func(value func(b *Backfill) float64) func(*Source) float64 {
		return func(s *Source) float64 {
			if s.Backfill == nil {
				return 0
			}
			return value(s.Backfill)
		}
	}
	return []metric{
		ofSources(gauge, "source_backfill_running", "1 while everything is listed and read, below live work.", of(func(*Backfill) float64 { return 1 })),
		ofSources(gauge, "source_backfill_seen_splits", "Splits that the backfill came past.", of(func(b *Backfill) float64 { return float64(b.Seen) })),
		ofSources(gauge, "source_backfill_splits", "Splits of the backfill in all; 0 until they are counted.", of(func(b *Backfill) float64 { return float64(b.Total) })),
		ofSources(gauge, "source_backfill_seen_bytes", "Bytes of the splits that the backfill came past.", of(func(b *Backfill) float64 { return float64(b.SeenBytes) })),
		ofSources(gauge, "source_backfill_bytes", "Bytes of the backfill in all; 0 until they are counted.", of(func(b *Backfill) float64 { return float64(b.TotalBytes) })),
		ofSources(gauge, "source_backfill_left_seconds", "Estimated time until the backfill ends; 0 is unknown.", of(func(b *Backfill) float64 { return time.Duration(b.Left).Seconds() })),
	}
}

func streamMetrics() []metric {
	of := func(typ prometheus.ValueType, name, help string, value func(x *Stream) float64) metric {
		return define(typ, name, help, []string{"pipeline", "source", "account", "region"}, func(r *Report, emit func(float64, ...string)) {
			for _, p := range r.Pipelines {
				for _, s := range p.Sources {
					for i := range s.Streams {
						emit(value(&s.Streams[i]), p.Name, s.Name, s.Streams[i].Account, s.Streams[i].Region)
					}
				}
			}
		})
	}
	return []metric{
		of(gauge, "stream_newest_event_timestamp_seconds", "Newest eventTime of an account and Region that is stored.", func(x *Stream) float64 { return stamp(&x.Newest) }),
		of(gauge, "stream_lag_seconds", "How long ago the newest event of an account and Region happened.", func(x *Stream) float64 { return time.Duration(x.Lag).Seconds() }),
		of(gauge, "stream_silent_after_seconds", "How long the account and Region may be silent by its habit; 0 while that is unknown.", func(x *Stream) float64 { return time.Duration(x.Quiet).Seconds() }),
		of(gauge, "stream_silent", "1 if the account and Region is silent for longer than its habit.", func(x *Stream) float64 { return truth(x.Silent) }),
		of(counter, "stream_events_read_total", "Events of an account and Region, filtered ones included.", func(x *Stream) float64 { return float64(x.Events) }),
	}
}

func sinkMetrics() []metric {
	counts := func(name, help string, value func(c *Count) int64) metric {
		return define(counter, name, help, []string{"pipeline", "source", "sink"}, func(r *Report, emit func(float64, ...string)) {
			for _, p := range r.Pipelines {
				for _, s := range p.Sources {
					for i := range s.Counts {
						emit(float64(value(&s.Counts[i])), p.Name, s.Name, s.Counts[i].Sink)
					}
				}
			}
		})
	}
	passes := func(name, help string, value func(x *Pass) int64) metric {
		return define(counter, name, help, []string{"pipeline", "source", "sink", "pass"}, func(r *Report, emit func(float64, ...string)) {
			for _, p := range r.Pipelines {
				for _, k := range p.Sinks {
					for i := range k.Passes {
						emit(float64(value(&k.Passes[i])), p.Name, k.Passes[i].Source, k.Sink, k.Passes[i].Pass)
					}
				}
			}
		})
	}
	ofSinks := func(typ prometheus.ValueType, name, help string, value func(k *Sink) float64) metric {
		return define(typ, name, help, []string{"pipeline", "sink"}, func(r *Report, emit func(float64, ...string)) {
			for _, p := range r.Pipelines {
				for i := range p.Sinks {
					emit(value(&p.Sinks[i]), p.Name, p.Sinks[i].Sink)
				}
			}
		})
	}
	return []metric{
		counts("sink_events_stored_total", "Events that the sink stored.", func(c *Count) int64 { return c.Stored }),
		counts("sink_events_duplicate_total", "Events that the sink had already.", func(c *Count) int64 { return c.Duplicate }),
		counts("sink_events_quarantined_total", "Records and splits that were kept aside with their reason.", func(c *Count) int64 { return c.Quarantined }),
		passes("sink_pass_events_stored_total", "Events that a pass of the source found and no pass before it: how late events turn up.", func(x *Pass) int64 { return x.Stored }),
		passes("sink_pass_splits_total", "Splits of a pass of the source that are settled.", func(x *Pass) int64 { return x.Splits }),
		ofSinks(counter, "sink_variants_total", "Records with the id of a stored event but other content: somebody may have made them up.", func(k *Sink) float64 { return float64(k.Variants) }),
		ofSinks(gauge, "sink_last_success_timestamp_seconds", "When a call of the sink last succeeded; 0 for never.", func(k *Sink) float64 { return stamp(k.LastSuccess) }),
		define(gauge, "sink_failing", "1 while an operation on the sink fails.", []string{"pipeline", "sink", "operation"},
			func(r *Report, emit func(float64, ...string)) {
				for _, p := range r.Pipelines {
					for _, k := range p.Sinks {
						for _, what := range []string{"open", "ask ledger", "write"} {
							emit(truth(fails(k.Failing, what)), p.Name, k.Sink, what)
						}
					}
				}
			}),
	}
}

func pluginMetrics() []metric {
	of := func(typ prometheus.ValueType, name, help string, value func(*Plugin) float64) metric {
		return define(typ, name, help, []string{"pipeline", "kind", "name"}, func(r *Report, emit func(float64, ...string)) {
			for _, p := range r.Pipelines {
				for _, s := range p.Sources {
					if s.Plugin != nil {
						emit(value(s.Plugin), p.Name, "source", s.Name)
					}
				}
				for _, k := range p.Sinks {
					if k.Plugin != nil {
						emit(value(k.Plugin), p.Name, "sink", k.Sink)
					}
				}
			}
		})
	}
	return []metric{
		of(gauge, "plugin_running", "1 while the plugin's process is open and answers.", func(p *Plugin) float64 { return truth(p.Running) }),
		of(gauge, "plugin_crash_looping", "1 if the plugin crashes again and again.", func(p *Plugin) float64 { return truth(p.Degraded) }),
		of(counter, "plugin_restarts_total", "Processes of the plugin after the first one.", func(p *Plugin) float64 { return float64(p.Restarts) }),
	}
}

// registry holds the agent's metrics and those of its process.
func registry(report func() Report) *prometheus.Registry {
	reg := prometheus.NewRegistry()
	reg.MustRegister(newCollector(report), collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return reg
}

func metricsHandler(report func() Report) http.Handler {
	return promhttp.HandlerFor(registry(report), promhttp.HandlerOpts{MaxRequestsInFlight: 4})
}
