#!/usr/bin/env bash
# Builds the agent twice from the present commit: in two folders, for two homes, with
# nothing cached, and says whether the two programs are the same, bit for bit.
set -euo pipefail
cd "$(dirname "$0")/../.."
top=$PWD
scratch=$(mktemp -d)
trap 'chmod -R u+w "$scratch"; rm -rf "$scratch"' EXIT
modules=$(go env GOMODCACHE)

build() {
	local home=$scratch/$1
	mkdir -p "$home"
	git -c safe.directory='*' clone -q "file://$top" "$home/source"
	(
		cd "$home/source"
		env -i PATH="$PATH" HOME="$home" TZ="$2" LC_ALL="$3" GOMODCACHE="$modules" GOCACHE="$home/cache" GOFLAGS=-mod=readonly \
			GOPROXY="$(go env GOPROXY)" GOSUMDB="$(go env GOSUMDB)" GOTOOLCHAIN="$(go env GOTOOLCHAIN)" CGO_ENABLED=0 \
			go build -trimpath -buildvcs=true -o "$home/agent" ./agent
	)
	rm -rf "$home/cache"
}

build one UTC C
build another/and/longer Asia/Seoul C.UTF-8
sha256sum "$scratch/one/agent" "$scratch/another/and/longer/agent" | sed "s|$scratch/||"
cmp "$scratch/one/agent" "$scratch/another/and/longer/agent"
echo "The two builds are the same."
