#!/usr/bin/env bash
# Fetches what the browser tests need (playwright-core, axe-core; package-lock.json pins them by hash) into the cache, and
# says whether a Chromium is there. Prints the folder of the modules; does nothing when they are there.
# RETAIN_CACHE chooses the cache (~/.cache/retain), RETAIN_CHROMIUM the browser (chromium on the PATH).
set -euo pipefail

node_min=20
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${RETAIN_CACHE:-$HOME/.cache/retain}/browser

die() { echo "fetch.sh: $*" >&2; exit 1; }

command -v node >/dev/null || die "node is missing; install it (version $node_min or newer): apt-get install -y nodejs"
major=$(node -p 'process.versions.node.split(".")[0]')
[ "$major" -ge "$node_min" ] || die "node $major is too old; the browser tests need $node_min or newer"
command -v npm >/dev/null || die "npm is missing; install it: apt-get install -y npm"
command -v "${RETAIN_CHROMIUM:-chromium}" >/dev/null ||
  die "${RETAIN_CHROMIUM:-chromium} is missing; install it: apt-get install -y chromium (or name one by RETAIN_CHROMIUM)"

# The modules are whole when the lock that named them lies beside them: it is copied last, and the folder comes by a rename.
if ! cmp -s "$here/package-lock.json" "$cache/package-lock.json"; then
  mkdir -p "$(dirname "$cache")"
  new=$(mktemp -d "$(dirname "$cache")/browser.XXXXXX")
  trap 'rm -rf "$new"' EXIT
  echo "fetch.sh: fetching playwright-core and axe-core (4 MB) into $cache" >&2
  cp "$here/package.json" "$new/"
  cp "$here/package-lock.json" "$new/package-lock.json"
  (cd "$new" && npm ci --silent --ignore-scripts --no-audit --no-fund >&2) ||
    die "npm could not fetch the modules; check its registry, then: $0"
  rm -rf "$cache"
  # Somebody else may have been quicker; theirs is as good.
  mv -T "$new" "$cache" 2>/dev/null || cmp -s "$here/package-lock.json" "$cache/package-lock.json" ||
    die "could not move the modules to $cache; remove that folder and try again"
  trap - EXIT
fi
echo "$cache/node_modules"
