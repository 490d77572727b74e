#!/usr/bin/env bash
# Installs the deb into a container with a real systemd (systemd-nspawn over this host's own
# root, nothing of which changes) and does there what an administrator does: see
# systemd-test-inside.sh. Needs root, and the packages systemd-container and postgresql.
#
#   make systemd-test
set -euo pipefail
cd "$(dirname "$0")/../.."
[[ $(id -u) == 0 ]] || { echo "systemd-test: run this as root" >&2; exit 1; }
command -v systemd-nspawn >/dev/null || { echo "systemd-test: install the package systemd-container" >&2; exit 1; }

dir=$(mktemp -d)
root=$(mktemp -d)
trap 'umount "$root" 2>/dev/null; rmdir "$root"; rm -rf "$dir"' EXIT
chmod 0755 "$dir"
if [[ -n ${PACKAGES:-} ]]; then
	cp "$PACKAGES"/*.deb "$dir/"
else
	ARCHES=$(go env GOARCH) agent/packaging/build.sh "$dir" >/dev/null
fi
CGO_ENABLED=0 go build -trimpath -o "$dir/s3server" ./examples/s3server
install -m 0755 agent/packaging/systemd-test-inside.sh "$dir/inside.sh"
cat >"$dir/inu-test.service" <<'UNIT'
[Unit]
After=basic.target
[Service]
Type=oneshot
ExecStart=/mnt/inside.sh
StandardOutput=append:/mnt/output
StandardError=append:/mnt/output
ExecStopPost=/bin/systemctl --no-block exit 0
UNIT
: >"$dir/output"
mount --bind "/" "$root"
mount -o remount,bind,ro "$root"
timeout --kill-after=10 "${TIMEOUT:-540}" systemd-nspawn --quiet --directory="$root" --volatile=overlay --private-network --register=no \
	--keep-unit --machine="inu-test-$$" --uuid="$(tr -d - </proc/sys/kernel/random/uuid)" --bind="$dir:/mnt" \
	--bind-ro="$dir/inu-test.service:/etc/systemd/system/inu-test.service" \
	--boot -- systemd.unit=basic.target systemd.wants=inu-test.service systemd.show_status=0 </dev/null >"$dir/console" 2>&1 || true
cat "$dir/output"
if ! grep -q '^all of it holds$' "$dir/output"; then
	echo "systemd-test: failed" >&2
	tail -n 20 "$dir/console" >&2
	exit 1
fi
