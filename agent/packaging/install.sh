#!/bin/sh
# Installs, upgrades or removes INU-Logsmith on a Linux host with systemd.
#
#   curl -fsSL https://github.com/s-developer-team-inu/inu-logsmith/releases/latest/download/install.sh | sudo sh
#   sudo sh install.sh --from inu-logsmith_0.1.0_linux_amd64.tar.gz   without a network
#   sudo sh install.sh --uninstall
#
# It may be repeated: what is there is brought up to date, and a configuration that is
# there is left alone. See --help.
set -eu
umask 022

releases=https://github.com/s-developer-team-inu/inu-logsmith/releases/latest/download
from='' sha256='' yes='' init=yes uninstall='' purge=''
root=${DESTDIR:-}

usage() {
	cat <<'TEXT'
usage: install.sh [flags]

  --from WHAT     a release's URL, the URL of its tarball, or a tarball on this host;
                  default: a tarball beside this script, or else the latest release
  --sha256 SUM    of the tarball; default: what SHA256SUMS beside the tarball says
  --yes           ask nothing: answers come from the variables of agent init
                  (S3_BUCKET RDS_HOST RDS_USER RDS_PASSWORD GROUP_ID ..., see agent init -h)
  --no-init       install only, configure later with agent init
  --uninstall     stop and remove the program; configuration and state stay
  --purge         with --uninstall: remove configuration, credentials, state and user too
  --root DIR      install below DIR, start nothing (also DESTDIR)
  -h, --help      print this
TEXT
}

fail() {
	printf 'install.sh: %s\n' "$*" >&2
	exit 1
}

while [ $# -gt 0 ]; do
	case $1 in
	--from | --sha256 | --root)
		[ $# -ge 2 ] || fail "$1 needs a value; --help shows the flags"
		case $1 in
		--from) from=$2 ;;
		--sha256) sha256=$2 ;;
		--root) root=$2 ;;
		esac
		shift
		;;
	--yes | -y) yes=yes ;;
	--no-init) init= ;;
	--uninstall) uninstall=yes ;;
	--purge) purge=yes ;;
	-h | --help)
		usage
		exit 0
		;;
	*)
		printf 'install.sh: unknown flag %s; --help shows the flags\n' "$1" >&2
		exit 2
		;;
	esac
	shift
done
root=${root%/}

[ "$(uname -s)" = Linux ] || fail "this is not Linux"
if [ -z "$root" ] && [ "$(id -u)" != 0 ]; then fail "run this as root: sudo sh install.sh"; fi

bin=$root/usr/bin/agent
unit=$root/usr/lib/systemd/system/inu-detector.service
share=$root/usr/share/doc/inu-logsmith
etc=$root/etc/inu-detector

has() { command -v "$1" >/dev/null 2>&1; }
live() { [ -z "$root" ] && [ -d /run/systemd/system ]; }

owned_by_package() {
	[ -z "$root" ] || return 1
	if has dpkg-query && dpkg-query -W -f='${Status}' inu-logsmith 2>/dev/null | grep -q ' installed'; then return 0; fi
	has rpm && rpm -q inu-logsmith >/dev/null 2>&1
}

if owned_by_package; then
	fail "INU-Logsmith was installed as a package here: use apt or dnf to upgrade or remove it"
fi

if [ -n "$uninstall" ]; then
	if live; then systemctl disable --now inu-detector.service >/dev/null 2>&1 || true; fi
	rm -f "$bin" "$unit" "$share/agent.hcl.example" "$share/copyright"
	rmdir "$share" 2>/dev/null || true
	if live; then systemctl daemon-reload; fi
	if [ -z "$purge" ]; then
		echo "INU-Logsmith is removed. Left in place: $etc, $root/var/lib/inu-detector and the user inu-detector (--purge removes them)."
		exit 0
	fi
	rm -rf "$etc" "$root/var/lib/inu-detector"
	if [ -z "$root" ]; then
		if getent passwd inu-detector >/dev/null; then userdel inu-detector 2>/dev/null || true; fi
		if getent group inu-detector >/dev/null; then groupdel inu-detector 2>/dev/null || true; fi
	fi
	echo "INU-Logsmith is removed with its configuration and state. Your database is as it was."
	exit 0
fi

case $(uname -m) in
x86_64 | amd64) arch=amd64 ;;
aarch64 | arm64) arch=arm64 ;;
*) fail "there is no build for $(uname -m), only for amd64 and arm64" ;;
esac

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

fetch() { # URL FILE
	if has curl; then
		curl -fsSL --retry 3 -o "$2" "$1"
	elif has wget; then
		wget -q -O "$2" "$1"
	else
		fail "neither curl nor wget is installed; fetch $1 yourself and name the file with --from"
	fi || fail "cannot fetch $1"
}

# The name of this host's tarball in a file of sums.
named_in() { sed -n "s/^[0-9a-f]\{64\} [ *]\(inu-logsmith_.*_linux_$arch\.tar\.gz\)\$/\1/p" "$1" | head -n 1; }

if [ -z "$from" ]; then
	from=$releases
	# Through a pipe $0 is the shell's own name, and there is nothing beside it.
	here=$(dirname -- "$0")
	if [ -f "$0" ] && [ -f "$here/SHA256SUMS" ]; then
		name=$(named_in "$here/SHA256SUMS")
		if [ -n "$name" ] && [ -f "$here/$name" ]; then from=$here/$name; fi
	fi
fi

sums=
case $from in
http://* | https://*)
	case $from in
	*.tar.gz)
		name=${from##*/}
		base=${from%/*}
		;;
	*)
		name=
		base=${from%/}
		;;
	esac
	if [ -z "$sha256" ]; then
		sums=$work/SHA256SUMS
		fetch "$base/SHA256SUMS" "$sums"
	fi
	if [ -z "$name" ]; then
		[ -n "$sums" ] || fail "--sha256 goes with the URL of a tarball"
		name=$(named_in "$sums")
		[ -n "$name" ] || fail "$base/SHA256SUMS lists no tarball for $arch"
	fi
	tarball=$work/$name
	fetch "$base/$name" "$tarball"
	;;
*)
	[ -f "$from" ] || fail "there is no file $from"
	name=${from##*/}
	tarball=$from
	if [ -z "$sha256" ]; then
		case $from in
		*/*) sums=${from%/*}/SHA256SUMS ;;
		*) sums=SHA256SUMS ;;
		esac
		[ -f "$sums" ] || fail "there is no $sums to check $name with: put the release's SHA256SUMS there, or give --sha256"
	fi
	;;
esac

if [ -z "$sha256" ]; then
	sha256=$(awk -v name="$name" '{ sub(/^\*/, "", $2) } $2 == name { print $1; exit }' "$sums")
	[ -n "$sha256" ] || fail "SHA256SUMS does not list $name"
fi
got=$(sha256sum "$tarball" | cut -d ' ' -f 1)
[ "$got" = "$sha256" ] || fail "$name is damaged or not the one that is meant: its SHA-256 is $got, not $sha256; nothing was installed"

mkdir "$work/files"
tar -xzf "$tarball" -C "$work/files" --strip-components=1 --no-same-owner
for f in agent inu-detector.service postinstall.sh; do
	[ -f "$work/files/$f" ] || fail "$name holds no $f: it is no release of INU-Logsmith"
done

put() { # MODE FILE TARGET: in one step, so that whoever reads it sees the old or the new one
	mkdir -p "${3%/*}"
	cp "$work/files/$2" "$3.new"
	chmod "$1" "$3.new"
	mv -f "$3.new" "$3"
}
before=
if [ -x "$bin" ]; then before=$("$bin" version 2>/dev/null || echo unknown); fi
put 0755 agent "$bin"
put 0644 inu-detector.service "$unit"
put 0644 agent.hcl.example "$share/agent.hcl.example"
put 0644 LICENSE "$share/copyright"
mkdir -p "$etc/credentials"
DESTDIR=$root sh "$work/files/postinstall.sh" >/dev/null
after=$("$bin" version)
if [ -n "$before" ]; then echo "upgraded: $before -> $after"; else echo "installed: $after"; fi

if [ -e "$etc/agent.hcl" ]; then
	echo "$etc/agent.hcl is there already and stays as it is"
elif [ -n "$init" ]; then
	if [ -n "$yes" ]; then
		"$bin" init -yes -config "$etc/agent.hcl"
	elif [ -t 0 ]; then
		"$bin" init -config "$etc/agent.hcl"
	elif (: </dev/tty) 2>/dev/null; then
		"$bin" init -config "$etc/agent.hcl" </dev/tty # standard input is this script
	else
		fail "there is no terminal to ask on: give --yes with the answers in variables, or --no-init"
	fi
	DESTDIR=$root sh "$work/files/postinstall.sh" >/dev/null
fi

if [ ! -e "$etc/agent.hcl" ]; then
	echo "next: agent init, and then: systemctl enable --now inu-detector"
elif live; then
	systemctl enable inu-detector.service >/dev/null 2>&1 || true
	if ! systemctl is-active --quiet inu-detector.service; then
		cat <<'TEXT'
next: make the tables as the owner of the database, and start the service:
  agent migrate -create-role -dsn 'postgres://OWNER@HOST:5432/DATABASE'
  systemctl start inu-detector
TEXT
	fi
fi
