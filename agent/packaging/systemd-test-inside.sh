#!/usr/bin/env bash
# What systemd-test.sh runs inside of its container. Each line is something that was seen.
set -uo pipefail

fail() {
	echo "FAILED: $*"
	journalctl --no-pager -o cat -u inu-detector -n 40
	systemctl status --no-pager -l inu-detector | head -n 20
	exit 1
}
ok() { echo "ok: $*"; }
await() { # SECONDS WHAT COMMAND...: until the command succeeds
	local limit=$((SECONDS + $1)) what=$2
	shift 2
	until "$@" >/dev/null 2>&1; do
		((SECONDS < limit)) || fail "$what"
		read -rt 0.2 <> <(:) || true
	done
	ok "$what"
}
for pg_bin in /usr/lib/postgresql/*/bin; do :; done # the last one
start_pg() { systemd-run --quiet --collect --unit=pg --uid=postgres -p RuntimeDirectory=pg "$pg_bin/postgres" -D /var/tmp/pg -k /run/pg -c listen_addresses=127.0.0.1; }
sql() { psql -h 127.0.0.1 -U postgres -d postgres -Atqc "$1"; }
rows() { [[ $(sql 'select count(*) from events') -ge $1 ]]; }
main_pid() { systemctl show -p MainPID --value inu-detector; }
active() { [[ $(systemctl is-active inu-detector) == active ]]; }
other_pid() { local p; p=$(main_pid); [[ $p != 0 && $p != "$1" ]] && active; }
gone() { ! kill -0 "$1" 2>/dev/null; }
children() { pgrep -P "$(main_pid)" | sort | tr '\n' ' '; }
status() { systemctl show -p StatusText --value inu-detector; }
degraded() { status | grep -qi degraded; }
put() { # new objects, 100 events each
	local url day
	url=$(cat /run/s3url)
	day=$(date -u +%Y/%m/%d)
	python3 - "$url" "$day" "$1" <<'PY' || fail "put an object"
import gzip, json, sys, time, urllib.request, uuid
url, day, name = sys.argv[1:]
now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
records = [{"eventVersion": "1.08", "eventID": str(uuid.uuid4()), "eventTime": now, "eventName": "ConsoleLogin",
            "eventSource": "signin.amazonaws.com", "awsRegion": "us-east-1", "recipientAccountId": "123456789012",
            "eventType": "AwsConsoleSignIn", "userIdentity": {"type": "Root"}} for _ in range(100)]
stamp = time.strftime("%Y%m%dT%H%MZ", time.gmtime())
key = f"AWSLogs/123456789012/CloudTrail/us-east-1/{day}/123456789012_CloudTrail_us-east-1_{stamp}_{name}.json.gz"
body = gzip.compress(json.dumps({"Records": records}).encode())
urllib.request.urlopen(urllib.request.Request(f"{url}/trail/{key}", data=body, method="PUT")).read()
PY
}

ip link set lo up 2>/dev/null
systemctl --version | head -n 1
install -d -o postgres /var/tmp/pg
echo owner >/var/tmp/owner
runuser -u postgres -- "$pg_bin/initdb" --no-sync -A scram-sha-256 --pwfile=/var/tmp/owner -D /var/tmp/pg >/dev/null || fail initdb
export PGPASSWORD=owner
start_pg || fail "start PostgreSQL"
await 30 "PostgreSQL answers" sql 'select 1'
systemd-run --quiet --collect --unit=s3 /mnt/s3server /run/s3url
await 30 "an S3-compatible server answers" test -s /run/s3url

cp /mnt/*.deb /var/tmp/inu-logsmith_0.1.0-1_amd64.deb || fail "copy the deb"
cd /var/tmp || fail "go to the deb"
apt install ./inu-logsmith_0.1.0-1_amd64.deb || fail "apt install"
[[ $(stat -c '%U:%G %a' /etc/inu-detector) == 'root:inu-detector 750' ]] || fail "mode of /etc/inu-detector"
[[ $(systemctl is-enabled inu-detector) == disabled ]] || fail "enabled by the installation"
systemctl start inu-detector 2>/dev/null && fail "starts without a configuration"
ok "the deb is installed, and waits for a configuration"

url=$(cat /run/s3url)
# shellcheck disable=SC2016 # the password has a dollar in it
printf '%s\n' new trail '' us-east-1 127.0.0.1 5432 postgres inu_writer password 'a $ecret "password"' n |
	S3_ENDPOINT=$url RDS_SSLMODE=disable agent init || fail "agent init"
[[ $(stat -c '%U:%G %a' /etc/inu-detector/agent.hcl) == 'root:inu-detector 640' ]] || fail "mode of agent.hcl"
[[ $(stat -c '%U:%G %a' /etc/inu-detector/credentials/rds_password) == 'root:root 600' ]] || fail "mode of the password"
ok "agent init, answered by a script"
sed -i 's/^    bucket = .*/&\n    interval = "1s"/' /etc/inu-detector/agent.hcl
install -m 0600 /dev/null /etc/inu-detector/inu-detector.env
printf '%s\n' AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test AWS_EC2_METADATA_DISABLED=true >/etc/inu-detector/inu-detector.env
cd /
agent migrate -create-role -dsn 'postgres://postgres@127.0.0.1:5432/postgres?sslmode=disable' || fail "agent migrate"
ok "agent migrate"
checked=$(timeout 120 agent check -env-file /etc/inu-detector/inu-detector.env 2>&1)
echo "$checked"
grep -q '✓.*version' <<<"$checked" || fail "agent check does not see the schema"
ok "agent check"

systemd-analyze verify inu-detector.service || fail "systemd-analyze verify"
systemd-analyze security --offline=true --threshold=15 inu-detector.service | tail -n 1
install -D /dev/stdin /etc/systemd/system/inu-detector.service.d/test.conf <<<$'[Service]\nWatchdogSec=9s'
systemctl daemon-reload
systemctl enable --now inu-detector || fail "start"
active || fail "not active"
systemctl status inu-detector >/dev/null || fail "systemctl status"
grep -qm 1 'carrying events' < <(timeout 30 journalctl -u inu-detector -f) || fail "journalctl -f does not show the start"
ok "started: $(status)"
await 60 "rows of the trail in PostgreSQL" rows 3900
echo "    $(status)"

pid=$(main_pid) plugins=$(children)
sed -i 's/^  sink "rds_direct"/  filter {\n    exclude_event_names = ["Nothing"]\n  }\n\n&/' /etc/inu-detector/agent.hcl
systemctl reload inu-detector || fail "reload"
[[ $(main_pid) == "$pid" && $(children) == "$plugins" ]] || fail "reload started processes anew: $plugins, now $(children)"
active || fail "not active after a reload"
before=$(sql 'select count(*) from events')
put reload
await 30 "reload: the same processes, and new rows" rows $((before + 100))
cp /etc/inu-detector/agent.hcl /run/good.hcl
echo 'nonsense' >>/etc/inu-detector/agent.hcl
systemctl reload inu-detector 2>/dev/null && fail "a bad file is taken over"
said=$(agent reload 2>&1) && fail "agent reload of a bad file succeeds"
[[ $? == 2 || -n $said ]] || fail "exit code of agent reload"
echo "    $said" | head -n 3
[[ $(main_pid) == "$pid" && $(systemctl is-active inu-detector) == active ]] || fail "a bad file stopped the service"
cat /run/good.hcl >/etc/inu-detector/agent.hcl
ok "reload of a bad file changes nothing and says why"

first=${plugins%% *}
kill -9 "$pid"
await 30 "kill -9: systemd starts it again" other_pid "$pid"
gone "$first" || fail "a plugin outlived the agent"
before=$(sql 'select count(*) from events')
put killed
await 30 "and new rows arrive" rows $((before + 100))

pid=$(main_pid)
kill -STOP "$pid"
await 60 "SIGSTOP: the watchdog ends it, systemd starts it again" other_pid "$pid"
journalctl --no-pager -o cat -u inu-detector | grep -m 1 -i watchdog

plugins=$(children)
systemctl stop inu-detector || fail stop
[[ $(systemctl show -p Result --value inu-detector) == success ]] || fail "stop was not clean"
for p in $plugins; do gone "$p" || fail "plugin $p is left"; done
journalctl --no-pager -o cat -u inu-detector | grep -q 'level=INFO msg=stopped' || journalctl --no-pager -o cat -u inu-detector | grep -q stopped || fail "no word of the drain"
journalctl --no-pager -o cat -u inu-detector | grep -E 'left to die|did not stop cleanly|SIGKILL' | grep -v watchdog | tail -n 3
ok "stopped cleanly, plugins drained"

systemctl stop pg
systemctl start inu-detector || fail "start without PostgreSQL"
active || fail "not ready without PostgreSQL"
pid=$(main_pid)
await 30 "PostgreSQL is down: ready, and degraded" degraded
echo "    $(status)"
put down
start_pg
await 30 "PostgreSQL is back" sql 'select 1'
await 60 "rows that waited for it" rows $((before + 200))
[[ $(main_pid) == "$pid" ]] || fail "it was restarted meanwhile"
[[ $(sql 'select count(*) = count(distinct id) from events') == t ]] || fail "an event twice"

dpkg -r inu-logsmith >/dev/null || fail "dpkg -r"
gone "$pid" || fail "it runs after its removal"
[[ -e /usr/bin/agent || -e /usr/lib/systemd/system/inu-detector.service ]] && fail "programs are left"
[[ -e /etc/inu-detector/agent.hcl && -e /etc/inu-detector/credentials/rds_password ]] || fail "the configuration went with the program"
ok "removed: configuration and credentials stay"
rm -r /etc/systemd/system/inu-detector.service.d
dpkg -P inu-logsmith >/dev/null || fail "dpkg -P"
[[ -e /etc/inu-detector || -e /var/lib/inu-detector || -e /run/inu-detector ]] && fail "something is left: $(ls -d /etc/inu-detector /var/lib/inu-detector /run/inu-detector 2>/dev/null)"
getent passwd inu-detector >/dev/null && fail "the user is left"
ok "purged: nothing stays"
rows 1 && ok "the rows stay in the database"
echo "all of it holds"
