package migrate

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// oldSchema is where the predecessor's tables are kept.
const oldSchema = "inu_detector_old"

// ourTables are the names that the migrations take in schema public.
func ourTables() []string {
	return []string{"cloudtrail", "events", "groups", "ledger", "quarantine", "records", "variants"}
}

// predecessor says which tables of INU-Detector were found.
type predecessor struct {
	tables []string // in the order of their foreign keys
	shape  string   // of cloudtrail, in words
}

func (p predecessor) found() bool { return len(p.tables) > 0 }

// A shape is the columns of a table: all of required, and any of optional.
type shape struct {
	name               string
	required, optional []string
}

// shapes are the tables that INU-Detector is known to run with. Its create_table.sql
// and its code disagree about cloudtrail: the code writes 25 columns, into tables
// that users made by hand, with types of their choice.
func shapes(table string) []shape {
	switch table {
	case "groups":
		return []shape{{
			name:     "INU-Detector",
			required: []string{"group_id", "group_name"},
			optional: []string{"created_at"},
		}}
	case "events":
		return []shape{{
			name:     "INU-Detector",
			required: []string{"id", "group_id", "source_product", "source_ip", "user_agent"},
			optional: []string{"occurred_at", "created_at"},
		}}
	case "cloudtrail":
		return []shape{{
			name: "INU-Detector's create_table.sql",
			required: []string{
				"id", "event_id", "event_time", "event_name", "event_source", "aws_region", "source_ip", "user_identity",
				"request_parameters", "response_elements", "cloudtrail_event_id", "event_type", "management_event",
				"recipient_account_id", "event_category",
			},
			optional: []string{"created_at"},
		}, {
			name: "INU-Detector's code",
			required: []string{
				"id", "event_id", "event_version", "event_time", "event_source", "event_name", "event_category", "event_type",
				"aws_region", "read_only", "request_id", "source_ip", "user_agent", "management_event", "recipient_account_id",
				"session_credential_from_console", "shared_event_id", "error_code", "error_message", "user_identity", "tls_details",
				"request_parameters", "response_elements", "insight_details", "resources",
			},
			optional: []string{"created_at"},
		}}
	}
	return nil
}

// recognize answers which of the tables are the predecessor's. A table that is not,
// and stands where one of ours has to go, is an error that says how it differs.
func recognize(tables []table) (predecessor, error) {
	var p predecessor
	var errs []error
	for _, t := range tables {
		shape, err := match(t)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		p.tables = append(p.tables, t.name)
		if t.name == "cloudtrail" {
			p.shape = shape.name
		}
	}
	if len(errs) > 0 {
		errs = append(errs, errors.New("nothing was changed: rename these tables, or use another database"))
	}
	return p, errors.Join(errs...)
}

func match(t table) (shape, error) {
	known := shapes(t.name)
	if len(known) == 0 || (t.kind != "r" && t.kind != "p") {
		return shape{}, fmt.Errorf("public.%s is in the way: it is a %s that neither INU-Detector nor this agent has made", t.name, kindName(t.kind))
	}
	nearest := known[0]
	for _, s := range known {
		if s.distance(t.columns) < nearest.distance(t.columns) {
			nearest = s
		}
	}
	if nearest.distance(t.columns) == 0 {
		return nearest, nil
	}
	var differences []string
	if missing := nearest.missing(t.columns); len(missing) > 0 {
		differences = append(differences, "it lacks "+strings.Join(missing, ", "))
	}
	if extra := nearest.extra(t.columns); len(extra) > 0 {
		differences = append(differences, "it also has "+strings.Join(extra, ", "))
	}
	return shape{}, fmt.Errorf("table public.%s is not that of %s: %s", t.name, nearest.name, strings.Join(differences, "; "))
}

func (s shape) distance(columns []string) int { return len(s.missing(columns)) + len(s.extra(columns)) }

func (s shape) missing(columns []string) []string {
	return without(s.required, columns)
}

func (s shape) extra(columns []string) []string {
	return without(columns, s.required, s.optional)
}

// without is list less what is in any of the others.
func without(list []string, others ...[]string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(name string) bool {
		return slices.ContainsFunc(others, func(other []string) bool { return slices.Contains(other, name) })
	})
}

// kindName is pg_class.relkind in words.
func kindName(relkind string) string {
	switch relkind {
	case "r", "p":
		return "table"
	case "v", "m":
		return "view"
	case "S":
		return "sequence"
	case "f":
		return "foreign table"
	case "i", "I":
		return "index"
	}
	return "relation"
}
