package migrate

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTablesOfThePredecessorAreMovedUntouched(t *testing.T) {
	for file, shape := range map[string]string{
		"create_table.sql": "as in INU-Detector's create_table.sql",
		"code.sql":         "as in INU-Detector's code",
	} {
		t.Run(file, func(t *testing.T) {
			db, opts, lines := setup(t)
			execAsOwner(t, db, testdata(t, file))
			owner := connectAs(t, opts.DSN)
			const rows = `select to_jsonb(g)::text || to_jsonb(e)::text || to_jsonb(c)::text from %.groups g, %.events e, %.cloudtrail c`
			const indexes = `select coalesce(string_agg(indexname, ' ' order by indexname), '') from pg_indexes where schemaname = '%'`
			in := func(query, schema string) string { return text(t, owner, strings.ReplaceAll(query, "%", schema)) }
			rowsBefore, indexesBefore := in(rows, "public"), in(indexes, "public")

			run(t, opts)

			if diff := cmp.Diff(rowsBefore, in(rows, oldSchema)); diff != "" {
				t.Errorf("rows (-before +after):\n%s", diff)
			}
			if diff := cmp.Diff(indexesBefore, in(indexes, oldSchema)); diff != "" {
				t.Errorf("indexes (-before +after):\n%s", diff)
			}
			for _, want := range []string{"moved cloudtrail, events, groups", oldSchema, shape, "read again from S3", "agent -config agent.hcl -mode once"} {
				if !strings.Contains(lines.String(), want) {
					t.Errorf("the report lacks %q:\n%s", want, lines)
				}
			}
			if got := text(t, owner, `select count(*)::text from events`); got != "0" {
				t.Errorf("events has %s rows, want 0", got)
			}
		})
	}
}

func TestTablesOfAnotherShapeAreRefused(t *testing.T) {
	for _, tc := range []struct {
		name, make string
		want       []string
	}{
		{
			"a column too many", testdata(t, "create_table.sql") + `; alter table cloudtrail add raw jsonb, add note text`,
			[]string{"public.cloudtrail", "create_table.sql", "it also has raw, note"},
		},
		{
			"a column too few", testdata(t, "code.sql") + `; alter table cloudtrail drop tls_details`,
			[]string{"public.cloudtrail", "INU-Detector's code", "it lacks tls_details"},
		},
		{
			"something else altogether", `create table events (id int, title text)`,
			[]string{"public.events", "it lacks group_id, source_product, source_ip, user_agent", "it also has title"},
		},
		{"several at once", `create table events (id int); create table groups (id int)`, []string{"public.events", "public.groups"}},
		{"a view", `create view events as select 1 as id`, []string{"public.events is in the way", "view"}},
		{"another table of ours", `create table ledger (amount int)`, []string{"public.ledger is in the way", "table"}},
		{
			"tables moved there before", `create schema inu_detector_old; create table inu_detector_old.events (); ` + testdata(t, "create_table.sql"),
			[]string{"inu_detector_old has tables already (events)"},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			db, opts, lines := setup(t)
			execAsOwner(t, db, tc.make)
			before := catalog(t, db)
			err := Run(t.Context(), *opts)
			if err == nil {
				t.Fatal("Run accepts it")
			}
			for _, want := range tc.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the error lacks %q: %v", want, err)
				}
			}
			if diff := cmp.Diff(before, catalog(t, db)); diff != "" {
				t.Errorf("catalog (-before +after):\n%s", diff)
			}
			if len(lines.lines) != 0 {
				t.Errorf("report: %s", lines)
			}
		})
	}
}
