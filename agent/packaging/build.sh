#!/usr/bin/env bash
# Builds the packages of a release into a folder, bin/release if none is named: a deb, an
# rpm and a tarball each for amd64 and arm64, install.sh, and SHA256SUMS. The same commit
# gives the same bytes: times come from SOURCE_DATE_EPOCH, or else from the commit.
#
#   agent/packaging/build.sh [FOLDER]
set -euo pipefail
cd "$(dirname "$0")/../.."
out=${1:-bin/release}
nfpm=(go tool -modfile=agent/tools/go.mod nfpm)

VERSION=$(sed -n 's/^const version = "\(.*\)"$/\1/p' agent/builtin.go)
[[ -n $VERSION ]] || { echo "agent/builtin.go names no version" >&2; exit 1; }
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}
export VERSION SOURCE_DATE_EPOCH

vcs=false # git refuses to tell in a checkout of another user
if git rev-parse HEAD >/dev/null 2>&1; then vcs=true; fi

STAGE=$(mktemp -d)
export STAGE
trap 'rm -rf "$STAGE"' EXIT
rm -rf "$out"
mkdir -p "$out"

for ARCH in ${ARCHES:-amd64 arm64}; do
	export ARCH
	CGO_ENABLED=0 GOOS=linux GOARCH=$ARCH go build -trimpath "-buildvcs=$vcs" -ldflags "-s -w -buildid=" -o "$STAGE/agent" ./agent
	chmod 0755 "$STAGE/agent"
	for packager in deb rpm; do
		"${nfpm[@]}" package --config agent/packaging/nfpm.yaml --packager "$packager" --target "$out/"
	done
	dir=inu-logsmith_${VERSION}_linux_${ARCH}
	mkdir "$STAGE/$dir"
	install -m 0755 "$STAGE/agent" agent/packaging/postinstall.sh "$STAGE/$dir/"
	install -m 0644 agent/packaging/inu-detector.service agent.hcl.example LICENSE "$STAGE/$dir/"
	tar -C "$STAGE" --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner -cf - "$dir" |
		gzip -n -9 >"$out/$dir.tar.gz"
	rm -r "${STAGE:?}/$dir" "$STAGE/agent"
done
install -m 0755 agent/packaging/install.sh "$out/install.sh"
(cd "$out" && sha256sum -- *.deb *.rpm *.tar.gz install.sh >SHA256SUMS)
echo "built in $out:"
ls -1 "$out"
