#!/bin/sh
# Fetches the ClickHouse engine (libchdb 26.7.3) into the cache folder; does nothing when it is there.
# Prints the path of the library. RETAIN_CACHE chooses the folder (default: $HOME/.cache/retain).
set -eu

VERSION=26.7.3
PACKAGE='@chdb/lib-linux-x64-gnu@26.7.3-stable.1'
# npm's integrity value of exactly this package: sha512 of the archive, base64.
SHA512='XP97mMqnc5tZpKQywR8N7cLTsHNiTmHr30pC5mzo3jWmukjKn2IBa60c2B/gWUNcuFjOMjWoorQICCqBVj5wpw=='

fail() {
    echo "fetch.sh: $1" >&2
    exit 1
}

digest() {
    if command -v openssl >/dev/null 2>&1; then
        openssl dgst -sha512 -binary "$1" | openssl base64 -A
    elif command -v node >/dev/null 2>&1; then
        node -e 'const h = require("crypto").createHash("sha512");
            require("fs").createReadStream(process.argv[1]).on("data", d => h.update(d))
                .on("end", () => process.stdout.write(h.digest("base64")))' "$1"
    else
        fail 'neither openssl nor node is there to verify the archive: install openssl'
    fi
}

if [ -z "${RETAIN_CACHE:-}" ] && [ -z "${HOME:-}" ]; then
    fail 'neither RETAIN_CACHE nor HOME is set: set RETAIN_CACHE to a folder with 1 GB of space'
fi
cache="${RETAIN_CACHE:-$HOME/.cache/retain}"
target="$cache/chdb-$VERSION"

platform="$(uname -s) $(uname -m)"
[ "$platform" = 'Linux x86_64' ] ||
    fail "the pinned engine is built for Linux x86_64, this is $platform: use a ClickHouse server by URL"
grep -qw avx2 /proc/cpuinfo ||
    fail 'the engine needs a processor with AVX2 and this one has none: use a ClickHouse server by URL'

if [ -f "$target/libchdb.so" ]; then
    echo "$target/libchdb.so"
    exit 0
fi

command -v npm >/dev/null 2>&1 ||
    fail 'npm is missing: install it (Debian and Ubuntu: apt-get install npm) and start this again'

mkdir -p "$cache"
# In the cache itself, so that the final mv is a rename on one file system: nobody sees half a library.
work="$(mktemp -d "$cache/fetch.XXXXXX")"
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

echo "fetching $PACKAGE (178 MB, 566 MB unpacked) into $target" >&2
(cd "$work" && npm pack --silent "$PACKAGE" >/dev/null) ||
    fail "npm pack $PACKAGE failed: see its message above; is the registry reachable?"
archive="$(find "$work" -maxdepth 1 -name '*.tgz')"
[ -f "$archive" ] || fail 'npm pack left no archive'
actual="$(digest "$archive")"
[ "$actual" = "$SHA512" ] ||
    fail "the archive's sha512 is $actual, expected $SHA512: not unpacked; check the registry in use"

mkdir "$work/engine"
tar xzf "$archive" -C "$work/engine" --strip-components=1
[ -f "$work/engine/libchdb.so" ] || fail 'the archive holds no libchdb.so'
mkdir -p "$target"
mv -f "$work/engine/libchdb.so" "$target/libchdb.so"
echo "$target/libchdb.so"
