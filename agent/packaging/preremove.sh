#!/bin/sh
# Before the package is removed, but not before an upgrade (deb: "upgrade", rpm: 1).
set -e
case ${1:-} in
remove | 0)
	if [ -d /run/systemd/system ]; then
		systemctl disable --now inu-detector.service || true
	fi
	;;
esac
