package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/s-developer-team-inu/inu-logsmith/plugins/s3/s3test"
	"github.com/s-developer-team-inu/inu-logsmith/sql/pgtest"
)

// queries are those that users of the predecessor know, then what the ledger says,
// and the most frequent events.
var queries = []string{
	"SELECT COUNT(*) FROM events;",
	"SELECT COUNT(*) FROM cloudtrail;",
	"SELECT e.id, e.group_id, c.event_name FROM events e JOIN cloudtrail c ON e.id = c.event_id LIMIT 5;",
	"SELECT sum(read) AS read, sum(stored) AS stored, sum(duplicate) AS duplicate, sum(filtered) AS filtered, sum(quarantined) AS quarantined FROM ledger;",
	"SELECT event_name, count(*) FROM cloudtrail GROUP BY event_name ORDER BY count(*) DESC, event_name LIMIT 5;",
}

// show asks the database what has arrived, and compares it with what was put in.
func (d *demo) show(ctx context.Context, m s3test.Manifest) error {
	conn, err := pgx.Connect(ctx, d.pg.DSN(pgtest.Superuser, d.pg.Password, "postgres"))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	for _, q := range queries {
		if err := query(ctx, conn, q); err != nil {
			return fmt.Errorf("%s: %w", q, err)
		}
	}
	var rows, read, stored, duplicate, filtered, quarantined int
	err = conn.QueryRow(ctx, `select (select count(*) from events), sum(read), sum(stored), sum(duplicate), sum(filtered), sum(quarantined) from ledger`).
		Scan(&rows, &read, &stored, &duplicate, &filtered, &quarantined)
	if err != nil {
		return err
	}
	if read != m.Records || read != stored+duplicate+filtered+quarantined || rows != stored {
		return fmt.Errorf("the counts do not add up: %d records put in, %d read, %d rows", m.Records, read, rows)
	}
	fmt.Printf("It adds up: %d records in the bucket = %d stored + %d duplicate + %d filtered + %d quarantined; %d rows.\n",
		m.Records, stored, duplicate, filtered, quarantined, rows)
	return nil
}

// rows counts what is stored.
func (d *demo) rows(ctx context.Context) (n int, err error) {
	conn, err := pgx.Connect(ctx, d.pg.DSN(pgtest.Superuser, d.pg.Password, "postgres"))
	if err != nil {
		return 0, err
	}
	defer conn.Close(ctx)
	err = conn.QueryRow(ctx, "select count(*) from events").Scan(&n)
	return n, err
}

func query(ctx context.Context, conn *pgx.Conn, q string) error {
	fmt.Println("postgres=# " + q)
	rows, err := conn.Query(ctx, q, pgx.QueryExecModeSimpleProtocol)
	if err != nil {
		return err
	}
	defer rows.Close()
	var table [][]string
	var head []string
	for _, f := range rows.FieldDescriptions() {
		head = append(head, f.Name)
	}
	for rows.Next() {
		var cells []string
		for _, raw := range rows.RawValues() {
			cells = append(cells, string(raw))
		}
		table = append(table, cells)
	}
	printTable(head, table)
	return rows.Err()
}

// printTable prints rows below their head as psql does.
func printTable(head []string, rows [][]string) {
	widths := make([]int, len(head))
	for _, row := range append([][]string{head}, rows...) {
		for i, cell := range row {
			widths[i] = max(widths[i], len(cell))
		}
	}
	line := func(row []string) {
		cells := make([]string, len(row))
		for i, cell := range row {
			cells[i] = fmt.Sprintf(" %-*s ", widths[i], cell)
		}
		fmt.Println(strings.TrimRight(strings.Join(cells, "|"), " "))
	}
	line(head)
	rule := make([]string, len(head))
	for i := range rule {
		rule[i] = strings.Repeat("-", widths[i]+2)
	}
	fmt.Println(strings.Join(rule, "+"))
	for _, row := range rows {
		line(row)
	}
	fmt.Println()
}
