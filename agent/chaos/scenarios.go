package main

import "time"

// scenarios are all that can run here, in the order in which they do. Their names are
// those of the fault matrix in agent/docs/reliability.md.
func scenarios() []scenario {
	return []scenario{
		{id: "P1", title: "agent killed at random", short: true, weight: 24, run: agentKilled},
		{id: "P2", title: "agent killed at each durable step", short: true, weight: 14, run: killedAtBoundaries},
		{id: "P3", title: "sink plugin killed", short: true, weight: 12, run: pluginKilled("sink rds_direct", 2*time.Second)},
		{id: "D1", title: "PostgreSQL killed", short: true, weight: 2, run: databaseKilled},
		{id: "D3", title: "COMMIT answered, answer lost", short: true, run: answerLost},
		{id: "D4", title: "database read-only", short: true, run: databaseReadOnly},
		{id: "D5", title: "database's disk full", short: true, options: onSmallDisk, run: diskFull},
		{id: "S1", title: "S3 fails 30 % of requests", short: true, run: storageFails},
		{id: "S2", title: "bodies cut, reset, stalled", short: true, run: bodiesCut},
		{id: "S5", title: "late keys, out of order", short: true, config: listedConfig, options: keepObjects, run: lateKeys},
		{id: "Q1", title: "notifications five times, shuffled", short: true, options: keepObjects, run: repeatedNotices},
		{id: "Q2", title: "work outlasts the message's visibility", short: true, run: slowWork},
		{id: "G2", title: "gzip bombs", short: true, options: keepObjects, run: bombs},
		{id: "G4", title: "malformed records", short: true, options: keepObjects, run: malformedRecords},
		{id: "K2", title: "state file damaged", short: true, weight: 8, run: stateDamaged},
		{id: "F1", title: "one of three sinks away, slow, picky", short: true, run: fanOut},

		{id: "P1l", title: "agent killed, listings only", weight: 4, config: listedConfig, options: keepObjects, run: agentKilled},
		{id: "P1f", title: "agent killed, files", weight: 4, options: keepObjects, run: filesKilled},
		{id: "L1", title: "event history throttled, agent killed", weight: 1, run: historyLookedUp},
		{id: "P4", title: "source plugin killed", weight: 12, run: pluginKilled("source s3", 2*time.Second)},
		{id: "P4h", title: "source plugin hangs", run: pluginHangs("source s3")},
		{id: "P4s", title: "sink plugin hangs", run: pluginHangs("sink rds_direct")},
		{id: "P7", title: "agent killed alone, orphans", weight: 4, run: orphans},
		{id: "P8", title: "SIGTERM in the middle of work", run: stopped(false)},
		{id: "P9", title: "SIGTERM while PostgreSQL hangs", run: stoppedWhileDatabaseHangs},
		{id: "P10", title: "SIGTERM to all processes", run: stopped(true)},
		{id: "P11", title: "three agents, one state folder, two killed", weight: 8, run: severalAgents},
		{id: "P15", title: "no more memory", run: outOfMemory},
		{id: "D2", title: "failover to a synchronous standby", run: failedOver},
		{id: "D13", title: "behind pgbouncer: agent, server and pooler killed", weight: 4, run: behindPooler},
		{id: "D6", title: "disk of the write-ahead log full", run: logDiskFull},
		{id: "D7", title: "no connections left", run: noConnections},
		{id: "D8", title: "lock wait, slow line", run: locksAndSlowness},
		{id: "D9", title: "sessions ended, connections dead", run: sessionsEnded},
		{id: "D10", title: "serialization failures", run: serializable},
		{id: "D14", title: "privilege, table, column gone", run: rightsAndTablesGone},
		{id: "D15", title: "database restored to earlier", options: keepObjects, run: restored},
		{id: "S3", title: "objects overwritten while read", options: keepObjects, run: overwritten},
		{id: "S4", title: "objects deleted before read", config: listedConfig, options: keepObjects, run: deletedBeforeRead},
		{id: "S6", title: "2,500 objects in one minute", config: listedConfig, options: keepObjects, run: manyObjects},
		{id: "S7", title: "stale listings", config: listedConfig, options: keepObjects, run: staleListings},
		{id: "S8", title: "credentials expired, access denied", run: deniedForAWhile("ExpiredToken", "AccessDenied")},
		{id: "T1", title: "clock refused by S3", run: deniedForAWhile("RequestTimeTooSkewed")},
		{id: "G1", title: "corrupt gzip", options: keepObjects, run: corruptObjects},
		{id: "G3", title: "object of 40,000 records, killed half way", options: keepObjects, run: largeObject},
		{id: "Q3", title: "deletions refused, receipts stale", run: refusedDeletions},
		{id: "Q4", title: "poison messages", options: deadLetters, run: poisonMessages},
		{id: "Q5", title: "queue away", run: queueAway},
		{id: "K1", title: "disk of the state folder full", run: stateDiskFull},
	}
}

// share is how many of the kills scenario i of those chosen should make.
func share(kills int, chosen []scenario, i int) int {
	sum := 0
	for _, s := range chosen {
		sum += s.weight
	}
	if chosen[i].weight == 0 {
		return 0
	}
	return max(1, kills*chosen[i].weight/sum)
}
