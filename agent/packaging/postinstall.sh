#!/bin/sh
# After the installation of a package or by install.sh: the user, and whose the
# configuration is. Nothing is started that nobody has configured.
set -e

root=${DESTDIR:-}
etc=$root/etc/inu-detector

if [ -z "$root" ]; then
	if ! getent group inu-detector >/dev/null; then groupadd --system inu-detector; fi
	if ! getent passwd inu-detector >/dev/null; then
		shell=/usr/sbin/nologin
		if [ ! -e "$shell" ]; then shell=/sbin/nologin; fi
		useradd --system --gid inu-detector --home-dir /var/lib/inu-detector --no-create-home \
			--shell "$shell" --comment "INU-Logsmith" inu-detector
	fi
fi

own() { # MODE GROUP FILE
	if [ ! -e "$3" ]; then return; fi
	if [ -z "$root" ]; then chown "root:$2" "$3"; fi
	chmod "$1" "$3"
}
own 0750 inu-detector "$etc"
own 0640 inu-detector "$etc/agent.hcl"
own 0600 root "$etc/inu-detector.env"
own 0700 root "$etc/credentials"
own 0600 root "$etc/credentials/rds_password"

if [ -z "$root" ] && [ -d /run/systemd/system ]; then
	systemctl daemon-reload
	# An upgrade: the old program goes on until it has been replaced.
	systemctl try-restart inu-detector.service || true
fi
if [ -z "$root" ] && [ ! -e "$etc/agent.hcl" ]; then
	cat <<'TEXT'
INU-Logsmith is installed. To configure and start it:
  agent init
  systemctl enable --now inu-detector
TEXT
fi
