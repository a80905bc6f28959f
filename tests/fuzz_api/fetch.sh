#!/usr/bin/env bash
# Fetches schemathesis (tests/fuzz_api/requirements.txt pins it and what it needs) into a virtual environment in the cache.
# Prints the path of the program; does nothing when it is there. RETAIN_CACHE chooses the cache (~/.cache/retain).
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${RETAIN_CACHE:-$HOME/.cache/retain}/schemathesis

die() { echo "fetch.sh: $*" >&2; exit 1; }

# It is whole when the list that named it lies beside it: that is copied last.
if ! cmp -s "$here/requirements.txt" "$cache/requirements.txt"; then
  command -v python3 >/dev/null || die "python3 is missing; install it: apt-get install -y python3 python3-venv"
  python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' || die "python3 is too old; schemathesis needs 3.10 or newer"
  python3 -c 'import ensurepip, venv' 2>/dev/null || die "python3 has no venv; install it: apt-get install -y python3-venv"
  mkdir -p "$(dirname "$cache")"
  # Two at once would install into each other's folder; programs of a virtual environment know its path, so it cannot be moved.
  exec 9>"$cache.lock"
  flock 9
  if ! cmp -s "$here/requirements.txt" "$cache/requirements.txt"; then
    echo "fetch.sh: fetching schemathesis (40 MB) into $cache" >&2
    rm -rf "$cache"
    python3 -m venv "$cache"
    "$cache/bin/pip" install --quiet --disable-pip-version-check --no-deps --requirement "$here/requirements.txt" >&2 ||
      die "pip could not fetch schemathesis; check its registry, then: $0"
    cp "$here/requirements.txt" "$cache/requirements.txt"
  fi
fi
echo "$cache/bin/schemathesis"
