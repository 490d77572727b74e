#!/bin/sh
# Makes sure that PostgreSQL's server programs are on this machine: the tests and
# the demo start servers of their own with them. Looks where package pgtest looks.
set -eu

has_programs() { [ -x "$1/initdb" ] && [ -x "$1/postgres" ]; }

find_programs() {
	for dir in /usr/lib/postgresql/*/bin /usr/pgsql-*/bin /usr/bin; do
		if has_programs "$dir"; then return 0; fi
	done
	initdb=$(command -v initdb) && has_programs "$(dirname "$initdb")"
}

if [ -n "${PG_BIN:-}" ]; then
	has_programs "$PG_BIN" && exit 0
	echo "no initdb and postgres in PG_BIN=$PG_BIN: set it to the folder that has both, or unset it" >&2
	exit 1
fi
if find_programs; then exit 0; fi

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
	echo "installing PostgreSQL's server programs: apt-get install postgresql" >&2
	export DEBIAN_FRONTEND=noninteractive
	# The package would also start a server of its own, which nobody asked for.
	conf=/etc/postgresql-common/createcluster.conf
	if [ ! -e "$conf" ]; then
		mkdir -p "${conf%/*}" && echo 'create_main_cluster = false' >"$conf"
	fi
	apt-get -qq update </dev/null >&2
	apt-get -qq install --yes --no-install-recommends postgresql </dev/null >&2
	if find_programs; then exit 0; fi
fi
echo "no PostgreSQL server found: install it (Debian: apt-get install postgresql, Red Hat: dnf install postgresql-server) or set PG_BIN to the folder of initdb and postgres" >&2
exit 1
