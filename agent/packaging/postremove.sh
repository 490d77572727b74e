#!/bin/sh
# After the package was removed. The configuration, the credentials and the state stay,
# unless a deb is purged: then nothing stays. What is in the database always does.
set -e
if [ -d /run/systemd/system ]; then systemctl daemon-reload || true; fi
case ${1:-} in
purge)
	rm -rf /etc/inu-detector /var/lib/inu-detector
	if getent passwd inu-detector >/dev/null; then userdel inu-detector || true; fi
	if getent group inu-detector >/dev/null; then groupdel inu-detector || true; fi
	;;
0)
	echo "left in place: /etc/inu-detector, /var/lib/inu-detector and the user inu-detector"
	;;
esac
